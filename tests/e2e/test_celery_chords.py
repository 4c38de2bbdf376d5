"""Jobs as Celery tasks that are composed: groups, chords, chains and links."""

import json
from functools import partial
from types import ModuleType as Plain
from typing import Any
from uuid import uuid4

import pytest
from celery import chord, group
from celery_driver import UNSAFE, raised
from simulator_driver import wait_until
from stack_driver import Place, store_of

pytest_plugins = ("celery_fixtures",)


def test_a_group_gives_its_results_in_order(plain: Plain) -> None:
    calls = [plain.job(prompt="x", custom_id=f"g{n}") for n in range(20)]
    results = group(calls, app=plain.app).apply_async().get(timeout=30)
    assert [one["custom_id"] for one in results] == [f"g{n}" for n in range(20)]


def test_the_body_of_a_chord_gets_all_results_in_order_and_runs_once(
    running: Place, plain: Plain
) -> None:
    names = [f"c{n}" for n in range(30)]
    calls = [
        plain.job(prompt=f"x [[sim: latency=0.{n % 7}]]", custom_id=n_)
        for n, n_ in enumerate(names)
    ]
    result = chord(calls, app=plain.app)(plain.gather.s())
    assert result.get(timeout=30) == names
    assert store_of(running).client.get("plain-gathered-c0") == b"1"


def test_a_chord_of_which_a_part_fails_fails(plain: Plain) -> None:
    calls = [plain.job(prompt="fine", custom_id="f0"), plain.job(prompt=UNSAFE)]
    result = chord(calls, app=plain.app)(plain.gather.s())
    assert "contentPolicyViolation" in str(raised(result))


def test_a_chord_of_too_many_parts_is_refused_at_the_first_part_that_is_too_many(
    plain: Plain,
) -> None:
    def part(place: int) -> Any:  # noqa: ANN401
        told = {"chord": plain.gather.s(), "group_id": "large", "group_index": place}
        return plain.job(prompt="x").apply_async(**told)

    assert part(9_999).get(timeout=30)["state"] == "completed"
    assert "at most 10000" in str(raised(part(10_000)))


def test_a_chord_of_too_many_parts_is_refused_once_its_size_is_told(plain: Plain) -> None:
    plain.app.backend.set_chord_size("larger", 10_001)  # as Celery does when it has sent all
    told = {"chord": plain.gather.s(), "group_id": "larger", "group_index": 0}
    assert "has 10001 parts" in str(raised(plain.job(prompt="x").apply_async(**told)))


def test_a_chord_waits_for_its_parts_longer_than_a_result_is_kept(
    running: Place, plain: Plain
) -> None:
    whole, client = str(uuid4()), store_of(running).client
    plain.app.backend.set_chord_size(whole, 2)
    assert client.ttl(f"celery-taskset-meta-{whole}.s") <= 86_400
    told = {"chord": plain.gather.s(), "group_id": whole, "group_index": 0}
    part = plain.job(prompt="x").apply_async(**told)
    wait_until(lambda: client.ttl(f"celery-taskset-meta-{whole}.s") > 7 * 86_400, 20)
    part.get(timeout=30)
    wait_until(lambda: client.ttl(f"celery-taskset-meta-{whole}.j") > 7 * 86_400)


def test_a_chord_of_which_a_part_is_no_row_fails_and_says_so(plain: Plain) -> None:
    calls = [plain.job(prompt="fine"), plain.job(prompt="x", temprature=1)]
    result = chord(calls, app=plain.app)(plain.gather.s())
    assert "temprature" in str(raised(result))


def test_a_chain_goes_on_with_the_result_and_a_row_may_come_from_the_task_before(
    plain: Plain,
) -> None:
    chained = plain.job(prompt="x", custom_id="first") | plain.follow.s("chained")
    assert chained.apply_async().get(timeout=30) == ["first", "chained"]


def test_links_follow_a_success_and_error_links_a_failure(running: Place, plain: Plain) -> None:
    marks, linked = store_of(running).client, f"linked-{uuid4().hex}"
    link, mourn = plain.follow.s(linked), plain.mourn.s()
    plain.job(prompt="x", custom_id="ok").apply_async(link=link, link_error=mourn).get(timeout=30)
    bad = plain.job(prompt=UNSAFE).apply_async(link=link, link_error=mourn)
    raised(bad)
    wait_until(lambda: marks.llen("plain-mourned"), 20)
    wait_until(lambda: marks.llen(f"plain-followed-{linked}"), 20)
    assert marks.lrange("plain-mourned", 0, -1) == [bad.id.encode()]
    assert marks.lrange(f"plain-followed-{linked}", 0, -1) == [b"ok"]


@pytest.mark.parametrize("odd", [{"serializer": "none"}, {"compression": "none"}])
def test_a_link_that_cannot_be_published_keeps_nobody_waiting(
    running: Place, plain: Plain, odd: dict[str, str]
) -> None:
    mark, client = f"beside-{uuid4().hex}", store_of(running).client
    link, mourn = plain.follow.s(mark), plain.mourn.s()
    fine = plain.job(prompt="x").apply_async(link=[plain.follow.s("odd").set(**odd), link])
    assert fine.get(timeout=30)["state"] == "completed"
    wait_until(lambda: client.llen(f"plain-followed-{mark}"), 20)
    errors = [plain.mourn.s().set(**odd), mourn]

    def told(id_: str) -> bool:
        return id_.encode() in client.lrange("plain-mourned", 0, -1)

    for prompt in (UNSAFE, ""):
        failed = plain.job(prompt=prompt).apply_async(link_error=errors)
        raised(failed)
        wait_until(partial(told, failed.id), 20)
    chained = (plain.job(prompt="x") | plain.follow.s("odd").set(**odd)).apply_async()
    raised(chained)


def test_a_link_to_a_queue_that_is_another_programs_key_keeps_nobody_waiting(
    running: Place, plain: Plain
) -> None:
    mark, client = f"beside-{uuid4().hex}", store_of(running).client
    client.hset("mystats", "visits", "7")
    links = [plain.follow.s("odd").set(queue="mystats"), plain.follow.s(mark)]
    fine = plain.job(prompt="x").apply_async(link=links)
    assert fine.get(timeout=30)["state"] == "completed"
    wait_until(lambda: client.llen(f"plain-followed-{mark}"), 20)
    assert client.hgetall("mystats") == {b"visits": b"7"}
    assert "link.failed" in running.log("worker")


@pytest.mark.parametrize("prompt", [UNSAFE, ""])
def test_a_chord_fails_though_a_worker_died_before_it_had_told_it_all(
    running: Place, plain: Plain, prompt: str
) -> None:
    """The part stands at the end of a chain; the worker had stored its failure, and no more."""
    part, whole, body = (str(uuid4()) for _ in range(3))
    told = {"task_id": part, "group_id": whole, "group_index": 0}
    last = plain.follow.s("never").set(chord=plain.gather.s().set(task_id=body), **told)
    plain.app.backend.set_chord_size(whole, 1)
    stored = {"exc_type": "ValueError", "exc_message": ["x"], "exc_module": "builtins"}
    failed = {"status": "FAILURE", "result": stored, "traceback": None, "task_id": part}
    store_of(running).client.set(f"celery-task-meta-{part}", json.dumps(failed))
    plain.job(prompt=prompt).apply_async(chain=[last])
    raised(plain.app.AsyncResult(body))


def test_a_chain_whose_first_job_fails_fails_to_its_end(plain: Plain) -> None:
    chained = (plain.job(prompt=UNSAFE) | plain.follow.s("never")).apply_async()
    assert type(raised(chained)).__name__ == "JobFailed"
