"""Jobs as Celery tasks: called and awaited by a program that has none of our code."""

import base64
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType as Plain
from typing import Any
from uuid import uuid4

import pytest
from celery import chord, group
from celery.exceptions import TaskRevokedError
from celery_driver import UNSAFE, raised, truth
from simulator_driver import ROOT, Simulator, wait_until
from stack_driver import Place, by_uuid, store_of

from tasks import reading, verbs
from tasks.callers import MOST

pytest_plugins = ("celery_fixtures",)


def test_a_call_gives_the_rows_of_the_results_table(running: Place, plain: Plain) -> None:
    call = plain.job(prompt="two", video="https://example.com/a.mp4", numberResults=2, camera="7")
    result = call.apply_async()
    told = result.get(timeout=30)
    assert result.state == "SUCCESS"
    assert told["job_id"] == told["custom_id"] == result.id
    assert told["state"] == "completed"
    assert [row["result_index"] for row in told["results"]] == [0, 1]
    assert {row["camera"] for row in told["results"]} == {"7"}
    assert all(row["text"] for row in told["results"])
    assert float(told["cost"]) == pytest.approx(sum(row["cost"] for row in told["results"]))
    assert truth(running, result.id)["state"] == "completed"


def test_the_state_is_told_on_the_way(plain: Plain) -> None:
    result, seen = plain.job(prompt="slow [[sim: latency=10]]").apply_async(), set[str]()
    wait_until(lambda: seen.add(result.state) or "STARTED" in seen, 20)
    assert seen <= {"PENDING", "RECEIVED", "STARTED"}


def test_a_failed_job_raises_code_message_and_task_uuid(plain: Plain) -> None:
    result = plain.job(prompt=UNSAFE).apply_async()
    failed = raised(result)
    assert type(failed).__name__ == "JobFailed"
    assert failed.args[0] == "contentPolicyViolation"
    assert failed.args[2] == result.id
    assert result.state == "FAILURE"


def test_a_program_with_our_code_gets_the_typed_exception_which_can_be_pickled(
    plain: Plain,
) -> None:
    from worker.failures import JobFailed  # noqa: PLC0415  from here on it is loaded

    failed = raised(plain.job(prompt=UNSAFE).apply_async())
    assert isinstance(failed, JobFailed)
    again = pickle.loads(pickle.dumps(failed))  # noqa: S301  our own
    assert (again.code, again.message, again.task_uuid) == failed.args


@pytest.mark.parametrize(
    ("args", "columns", "told"),
    [
        ((), {}, "prompt"),
        ((), {"prompt": ""}, "prompt"),
        ((), {"camera": "north"}, "prompt: is missing; give the row a prompt"),
        ((), {"prompt": "x", "temprature": 1}, "temprature"),
        ((), {"prompt": "x", "numberResults": 5}, "numberResults"),
        ((), {"prompt": "x", "maxTokens": "many"}, "maxTokens"),
        ((), {"prompt": "x", "taskUUID": "mine"}, "taskUUID"),
        ((), {"prompt": "x", "video": "/etc/passwd"}, "video"),
        ((), {"prompt": "x", "video": "https://[abc/7.mp4"}, "video"),
        ((), {"prompt": "x", "url": "https://[abc/7.mp4"}, "url"),
        ((), {"prompt": "x", "custom_id": "a\nb"}, "custom_id"),
        ((), {"prompt": "x", "temperature": float("nan")}, "temperature"),
        ((), {"prompt": "x", "camera": {"at": [float("inf")]}}, "camera"),
        ((), {"prompt": {"__type__": "bytes", "__value__": "x"}}, "prompt"),
        ((), {"prompt": {"__type__": "os.system", "__value__": "x"}}, "prompt"),
        (("a prompt",), {}, "by name"),
        (({"prompt": "x"}, {}), {}, "by name"),
        (([],), {"prompt": "x"}, "by name"),
    ],
)
def test_a_wrong_call_fails_at_once_and_names_the_field(
    running: Place,
    plain: Plain,
    args: tuple[object, ...],
    columns: dict[str, object],
    told: str,
) -> None:
    result = plain.job(**columns).clone(args=args).apply_async()
    failed = raised(result)
    assert type(failed).__name__ == "BadCall"
    assert told in str(failed)
    assert " --" not in str(failed)  # options are of the command: a call has none
    assert running.run("job", result.id).returncode == 1


def test_a_column_that_spells_a_python_object_comes_back_as_text(plain: Plain) -> None:
    spelled = {"__type__": "uuid", "__value__": {"hex": "no hex"}}
    calls = [plain.job(prompt="x", custom_id="spelled", camera={"at": [spelled, 7]})]
    (told,) = group(calls, app=plain.app).apply_async().get(timeout=30)
    assert told["results"][0]["camera"] == {"at": [json.dumps(spelled), 7]}
    body = chord(calls, app=plain.app)(plain.gather.s())
    assert body.get(timeout=30) == ["spelled"]


def test_the_row_may_be_one_object(plain: Plain) -> None:
    result = plain.job().clone(args=({"prompt": "x", "custom_id": "whole"},)).apply_async()
    assert result.get(timeout=30)["custom_id"] == "whole"


def test_the_same_message_twice_is_one_job_bought_once(
    running: Place, plain: Plain, provider: Simulator
) -> None:
    call = plain.job(prompt="once", custom_id="once")
    first = call.apply_async()
    first.get(timeout=30)
    call.apply_async(task_id=first.id)
    last = plain.job(prompt="after").apply_async()
    last.get(timeout=30)
    assert first.get(timeout=30)["custom_id"] == "once"
    assert len(truth(running, first.id)["attempts"]) == 1
    assert by_uuid(provider)[first.id]["purchases"] == 1


def test_what_follows_a_job_is_among_its_children(plain: Plain) -> None:
    mark = f"child-{uuid4().hex}"
    first = plain.job(prompt="once", custom_id=mark).apply_async(link=plain.follow.s("linked"))
    first.get(timeout=30)
    (child,) = first.children
    assert child.get(timeout=30) == [mark, "linked"]
    assert [told for _, told in first.collect()][1:] == [[mark, "linked"]]


def test_a_call_whose_result_has_expired_or_in_another_group_is_told_without_a_new_purchase(
    running: Place, plain: Plain, provider: Simulator
) -> None:
    mark, whole, client = f"twice-{uuid4().hex}", str(uuid4()), store_of(running).client
    call = plain.job(prompt="once", custom_id=mark)
    first = call.apply_async(link=plain.follow.s(mark))
    told = first.get(timeout=30)
    wait_until(lambda: client.llen(f"plain-followed-{mark}") == 1, 20)
    client.delete(f"celery-task-meta-{first.id}")  # a day later
    call.apply_async(task_id=first.id)
    assert plain.app.AsyncResult(first.id).get(timeout=30) == told
    plain.app.backend.set_chord_size(whole, 1)
    body = plain.gather.s().set(task_id=str(uuid4()))
    call.apply_async(task_id=first.id, chord=body, group_id=whole, group_index=0)
    assert plain.app.AsyncResult(body.id).get(timeout=30) == [mark]
    assert len(truth(running, first.id)["attempts"]) == 1
    assert by_uuid(provider)[first.id]["purchases"] == 1
    assert client.llen(f"plain-followed-{mark}") == 1


def test_each_call_of_an_open_job_gets_what_it_wanted(
    running: Place, plain: Plain, provider: Simulator
) -> None:
    mark, client = f"joined-{uuid4().hex}", store_of(running).client
    assert running.run("pause", "--all").returncode == 0
    try:
        first = plain.job(prompt="x", custom_id=mark)
        result = first.apply_async(link=plain.follow.s(f"{mark}-1"))
        wait_until(lambda: running.run("job", result.id).returncode == 0, 20)
        bodies = []
        for whole in (str(uuid4()), str(uuid4())):
            bodies.append(plain.gather.s().set(task_id=str(uuid4())))
            plain.app.backend.set_chord_size(whole, 1)
            part = {"chord": bodies[-1], "group_id": whole, "group_index": 0}
            first.apply_async(task_id=result.id, **part)
        for _ in range(2):  # one message twice is one call
            first.apply_async(task_id=result.id, link=plain.follow.s(f"{mark}-2"))
        last = plain.job(prompt="after").apply_async()
        wait_until(lambda: running.run("job", last.id).returncode == 0, 20)
    finally:
        assert running.run("resume", "--all").returncode == 0
    assert result.get(timeout=30)["custom_id"] == mark
    for body in bodies:
        assert plain.app.AsyncResult(body.id).get(timeout=30) == [mark]
    for link in (f"{mark}-1", f"{mark}-2"):
        wait_until(lambda name=link: client.llen(f"plain-followed-{name}"), 20)
        assert client.llen(f"plain-followed-{link}") == 1
    assert client.get(f"plain-gathered-{mark}") == b"2"
    assert len(truth(running, result.id)["attempts"]) == 1
    assert by_uuid(provider)[result.id]["purchases"] == 1
    first.apply_async(task_id=result.id, link=plain.follow.s(f"{mark}-3"))
    wait_until(lambda: client.llen(f"plain-followed-{mark}-3") == 1, 20)
    assert client.llen(f"plain-followed-{mark}-2") == 1


def test_a_call_of_an_open_job_for_which_too_many_wait_is_refused_and_the_others_are_told(
    running: Place, plain: Plain
) -> None:
    mark, client = f"crowd-{uuid4().hex}", store_of(running).client
    links = [plain.follow.s(f"{mark}-{n}") for n in range(MOST)]
    assert running.run("pause", "--all").returncode == 0
    try:
        call = plain.job(prompt="x", custom_id=mark)
        result = call.apply_async(link=links[0])
        for link in links[1:]:
            call.apply_async(task_id=result.id, link=link)
        last = plain.job(prompt="after").apply_async()
        wait_until(lambda: running.run("job", last.id).returncode == 0, 20)
        call.apply_async(task_id=result.id, link=plain.follow.s(f"{mark}-more"))
        assert "calls with links or chords wait" in str(raised(plain.app.AsyncResult(result.id)))
    finally:
        assert running.run("resume", "--all").returncode == 0
    for n in range(MOST):
        wait_until(lambda n=n: client.llen(f"plain-followed-{mark}-{n}") == 1, 20)
    assert plain.app.AsyncResult(result.id).get(timeout=30)["custom_id"] == mark
    assert not client.exists(f"plain-followed-{mark}-more")


def test_an_id_that_the_provider_would_not_take_gets_another_for_the_job(plain: Plain) -> None:
    result = plain.job(prompt="x").apply_async(task_id="nightly report 7")
    told = result.get(timeout=30)
    assert told["custom_id"] == "nightly report 7"
    assert told["job_id"] != "nightly report 7"


@pytest.mark.parametrize(
    ("given", "ending", "weight"),
    [({}, "", 10), ({"priority": 0}, "", 10), ({"priority": 9}, "-priority-9", 1)],
)
def test_a_priority_is_that_of_the_batch_a_call_goes_to(
    running: Place, plain: Plain, given: dict[str, int], ending: str, weight: int
) -> None:
    result = plain.job(prompt="x").apply_async(**given)
    result.get(timeout=30)
    store = store_of(running)
    (record,) = reading.records(store, [result.id])
    assert record
    batch = reading.batch(store, record.batch)
    assert batch
    assert re.fullmatch(rf"celery-\d{{4}}-\d\d-\d\d{ending}", batch.name)
    assert batch.sealed
    assert verbs.prioritize(store, batch.id, weight) == weight


def test_a_calls_job_is_found_by_its_custom_id(running: Place, plain: Plain) -> None:
    calls = [plain.job(prompt="x", custom_id=name) for name in ("dock", "gate", "gate")]
    results = group(calls, app=plain.app).apply_async()
    results.get(timeout=30)
    (record,) = reading.records(store_of(running), [results[0].id])
    assert record

    shown = running.run("job", "dock", "--batch", record.batch)
    assert shown.stdout.splitlines()[0].endswith(f"job {results[0].id}"), shown.stderr
    several = running.run("job", "gate", "--batch", record.batch)
    assert several.returncode != 0
    assert "custom_id of 2 jobs" in several.stderr
    assert all(one.id in several.stderr for one in results[1:])
    nobody = running.run("job", "quay", "--batch", record.batch)
    assert f"no job 'quay' in batch {record.batch}" in nobody.stderr


def test_a_program_with_our_code_calls_the_task_itself(running: Place) -> None:
    program = (
        "from celery import group; from worker.face import text_inference as task\n"
        "calls = [task.s(prompt='x', custom_id=f'own-{n}') for n in range(3)]\n"
        "print([one['custom_id'] for one in group(calls).apply_async().get(timeout=30)])\n"
        "print(task.delay(prompt='x', custom_id='delayed').get(timeout=30)['state'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=running.env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.stdout.splitlines() == ["['own-0', 'own-1', 'own-2']", "completed"], done.stderr


def test_a_job_that_waits_is_given_up_by_revoke(running: Place, plain: Plain) -> None:
    assert running.run("pause", "--all").returncode == 0
    try:
        result = plain.job(prompt="x").apply_async()
        wait_until(lambda: running.run("job", result.id).returncode == 0, 20)
        result.revoke()
        failed = raised(result)
    finally:
        assert running.run("resume", "--all").returncode == 0
    assert isinstance(failed, TaskRevokedError)
    assert result.state == "REVOKED"
    told = truth(running, result.id)
    assert (told["state"], told["attempts"][0]["submitted_at"]) == ("cancelled", None)


def test_a_job_that_the_provider_has_is_given_up_only_by_a_revoke_that_terminates(
    running: Place, plain: Plain
) -> None:
    first = plain.job(prompt="x [[sim: latency=2]]").apply_async()
    second = plain.job(prompt="x [[sim: latency=10]]").apply_async()
    wait_until(lambda: first.state in {"STARTED", "SUCCESS"} and second.state == "STARTED", 20)
    first.revoke()
    second.revoke(terminate=True)
    assert isinstance(raised(second), TaskRevokedError)
    assert first.get(timeout=30)["state"] == "completed"
    assert truth(running, second.id)["state"] == "cancelled"


def raw(body: object = None, **changed: object) -> str:
    """Return a call as it stands in the broker's queue, with other headers or another body."""
    called = [[], {"prompt": "x"}, None] if body is None else body
    id_, told = str(uuid4()), base64.b64encode(json.dumps(called).encode()).decode()
    delivery = {"delivery_info": {"exchange": "", "routing_key": "reelqueue"}, "priority": 0}
    properties = {"body_encoding": "base64", "delivery_tag": id_, "correlation_id": id_}
    return json.dumps(
        {
            "body": told,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"task": "reelqueue.text_inference", "id": id_, "lang": "py", **changed},
            "properties": {**properties, **delivery},
        }
    )


def called(**embedded: object) -> str:
    return raw([[], {"prompt": "x"}, embedded])


def old(**body: object) -> str:
    """Return a call as Celery 3 wrote them: all is in the body."""
    return json.dumps(json.loads(raw(body)) | {"headers": {}})


HOSTILE = (
    *(
        "no JSON",
        "{}",
        "[1]",
        raw().replace("base64", "zip"),
        raw().replace('"body": "', '"body": "%'),
    ),
    *(raw("x"), raw({}), raw([]), raw([{}, {}, {}]), raw([[], [], {}]), raw([[], {}, 7])),
    *(raw(id=""), raw(id=7), raw(id=None), raw(id="x" * 9999), raw(task=[]), raw(group=7)),
    *(raw(eta="soon"), raw(expires="soon"), raw(timelimit="long"), raw(retries="x")),
    *(called(callbacks="x"), called(errbacks=[None]), called(chain=[{"task": "x"}])),
    *(called(chord="x"), called(chord={"task": "x", "args": 7, "kwargs": {}, "options": {}})),
    *(raw(id="\ud800"), raw(group="\ud800"), called(callbacks=[{"task": 7, "options": {}}])),
    *(old(task="nope", id=5), old(task="nope", id=""), old(task="nope", id="a\ud800")),
    *(old(task=[], id="x"), old(task="nope"), old(task="reelqueue.text_inference", id=5)),
    *[raw(id="")] * 20,
)


def test_no_message_stops_the_worker_or_is_held_by_it(running: Place, plain: Plain) -> None:
    def worker() -> int:
        rows = json.loads((running.data / "children.json").read_text())
        return next(int(row["pid"]) for row in rows if row["name"] == "worker")

    before, client = worker(), store_of(running).client
    client.lpush("reelqueue", *HOSTILE, b"\xff\xfe", "[" * 100_000)
    last = plain.job(prompt="x").apply_async()
    assert last.get(timeout=30)["state"] == "completed"
    wait_until(lambda: not client.llen("reelqueue") and not client.hlen("reelqueue:unacked"))
    assert worker() == before


def test_a_job_is_worked_on_while_thousands_of_calls_wait_behind_it(
    running: Place, plain: Plain
) -> None:
    client, id_ = store_of(running).client, str(uuid4())
    wrong = [raw([[], {"prompt": ""}, None]) for _ in range(5_000)]
    client.lpush("reelqueue", raw(id=id_), *wrong)
    try:
        assert plain.app.AsyncResult(id_).get(timeout=30)["state"] == "completed"
        assert client.llen("reelqueue")
    finally:
        client.delete("reelqueue")


def test_remote_control_tells_how_the_worker_is(plain: Plain) -> None:
    told = plain.app.control.inspect(timeout=5).stats() or {}
    (ours,) = [stats for name, stats in told.items() if name.startswith("reelqueue-")]
    assert ours["pool"]["max-concurrency"] == 24


def test_remote_control_cannot_stop_the_doors_unseen(plain: Plain) -> None:
    names = plain.app.control.inspect(timeout=5).ping() or {}
    ours = [name for name in names if name.startswith("reelqueue-")]

    def asked(what: Callable[..., Any], *about: str) -> dict[str, str]:
        replies = what(*about, destination=ours, reply=True, timeout=5)
        ((answer,),) = (reply.values() for reply in replies)
        return answer

    cancel, limit = plain.app.control.cancel_consumer, plain.app.control.rate_limit
    assert "reelqueue pause" in asked(cancel, "reelqueue.doors")["error"]
    assert "another" in asked(cancel, "another")["ok"]
    for door in ("submit", "poll", "settle", "show", "sweep"):
        assert "reelqueue pause" in asked(limit, f"reelqueue.{door}", "1/h")["error"]
    assert "new rate limit" in asked(limit, "reelqueue.text_inference", "100/s")["ok"]
    assert "new rate limit" in asked(limit, "reelqueue.text_inference", "0")["ok"]
    job = plain.job(prompt="x").apply_async()
    assert job.get(timeout=30)["state"] == "completed"


def test_no_message_is_repeated_in_the_log_of_the_worker(running: Place, plain: Plain) -> None:
    secret = "canary-in-a-message"
    plain.app.send_task("reelqueue.nothing", args=[secret], queue="reelqueue")
    plain.app.send_task("reelqueue.text_inference", [secret], queue="reelqueue", eta=None)
    raised(plain.job(prompt="x", maxTokens=secret).apply_async())
    for name in ("celery.map", "celery.starmap", "celery.chunks"):
        given = [plain.job(), [[secret]]]
        mapped = plain.app.send_task(name, given, queue="reelqueue")
        assert type(raised(mapped)).__name__ == "NotRegistered"
    wait_until(lambda: "no task of its name" in running.log("worker"), 20)
    assert secret not in running.log("worker")
