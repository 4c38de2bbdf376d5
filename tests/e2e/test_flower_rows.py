"""Flower's rows, read by its HTTP API, held against the records; also after it was away."""

import ast
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import requests
from celery import Celery
from simulator_driver import Simulator, wait_until
from stack_driver import Place, Up, real, store_of, up
from stage_driver import hasten

from tasks import reading
from tasks.job import ENDED, Record, State
from tasks.money import usd
from tasks.moves import FACES, UNSHOWN
from tasks.outbox import SHOWN
from tasks.store import Store
from worker.events import CROWD

FLOWER = ("user", "password")
DEADLINE = 600
SETTINGS = {
    "REELQUEUE_POLL_FIRST": "0.2",
    "REELQUEUE_POLL_MAX": "0.5",
    "REELQUEUE_DEADLINE": str(DEADLINE),
    "REELQUEUE_WINDOW_START": "128",
    "REELQUEUE_FLOWER_AUTH": ":".join(FLOWER),
}
JOB = "reelqueue.text_inference"
KINDS = (
    *("", "fail=timeoutProvider*1", "fail=contentPolicyViolation", "errors=1"),
    *("refuse=invalidValue", "webhook=off"),
)


@dataclass
class Ground:
    """A running `up`, and what can be seen of it."""

    running: Up
    store: Store
    simulator: Simulator

    @property
    def place(self) -> Place:
        return self.running.place

    @property
    def url(self) -> str:
        return (self.place.data / "secrets" / "redis_url").read_text(encoding="utf-8")

    def submit(self, name: str, jobs: int, *kinds: str) -> None:
        """Submit jobs of these kinds in turn: directives for the simulator."""
        rows = [
            {
                "prompt": f"{name} {n} [[sim: {kinds[n % len(kinds)]}]]",
                "numberResults": 2 if "errors" in kinds[n % len(kinds)] else 1,
                "video": f"https://example.com/{name}/{n}.mp4?signature=secret",
            }
            for n in range(jobs)
        ]
        done = self.place.run("submit", self.place.manifest(name, *rows))
        assert done.returncode == 0, done.stderr

    def records(self, name: str) -> list[Record]:
        batch = reading.batch_named(self.store, name)
        assert batch is not None
        pages = list(reading.rows(self.store, batch.id))
        return [r for page in pages for r in reading.records(self.store, page) if r]

    def have_ended(self, name: str) -> bool:
        hasten(self.store)
        return all(record.state in ENDED for record in self.records(name))

    def overdue(self, name: str) -> None:
        """Let the deadline of a batch's jobs have passed, however little time has."""
        for job in self.records(name):
            self.store.client.hincrby(self.store.keys("job", job.id), "u1", -1000 * DEADLINE)
        # Before the first answered poll nobody had heard of the provider (tasks/outages.py).
        self.store.client.hdel(self.store.keys("meta"), "gaps")

    def shown(self, *, search: str = f"name:{JOB}") -> dict[str, dict[str, Any]]:
        """Return Flower's rows by id; none while it is away."""
        with suppress(requests.RequestException):
            asked = {"limit": "2000", "search": search}
            answer = self.ask("/api/tasks", **asked)
            if answer.ok:
                found: dict[str, dict[str, Any]] = answer.json()
                return found
        return {}

    def ask(self, path: str, **query: str) -> requests.Response:
        return requests.get(f"{self.place.flower}{path}", query, auth=FLOWER, timeout=5)

    def agrees(self, name: str) -> None:
        """Wait until every row of a batch, its own row too, is as the records have it."""
        jobs = self.records(name)

        def wrong() -> list[str]:
            rows = self.shown()
            return [job.id for job in jobs if not is_of_last_attempt(rows.get(job.id, {}), job)]

        wait_until(lambda: not wrong(), 20)
        rows = self.shown()
        for number, job in enumerate(jobs):
            assert_agrees(rows[job.id], job, f"row-{number}", name)
        batch = reading.batch_named(self.store, name)
        assert batch is not None
        counts = repr({"jobs": batch.total, **{s.value: n for s, n in batch.states.items() if n}})
        wait_until(lambda: counts == self.shown(search=batch.id).get(batch.id, {}).get("kwargs"))

    def events(self, kind: str) -> float:
        """Return how many of our jobs' events of a kind Flower counts."""
        line = rf'flower_events_total\{{task="{JOB}",type="{kind}",worker="[^"]*"\}} (\S+)'
        return sum(map(float, re.findall(line, self.ask("/metrics").text)))

    def moves(self, *entries: dict[str, str]) -> None:
        """Append to what Flower is to be told, all at once, and wait until it was told."""
        pipe = self.store.client.pipeline(transaction=True)
        for entry in entries:
            pipe.xadd(self.store.keys("shown"), entry)  # type: ignore[arg-type]
        pipe.execute()
        self.store.nudge()
        wait_until(lambda: self.store.unshown() == 0, 30)


def is_of_last_attempt(row: dict[str, Any], job: Record) -> bool:
    told = row.get("state"), row.get("retries")
    is_later = row.get("timestamp", 0) >= (job.ended_at or 0) / 1000
    return told == (FACES[job.state].celery, job.attempt - 1) and is_later


def assert_agrees(row: dict[str, Any], job: Record, custom_id: str, batch: str) -> None:
    assert row["args"] == f"('{custom_id}',)"
    medium = f"{custom_id.removeprefix('row-')}.mp4"
    told = {"custom_id": custom_id, "video": medium, "batch": batch}
    assert ast.literal_eval(row["kwargs"]) == told
    started = job.submitted_at
    assert row["retries"] == job.attempt - 1
    assert row["received"] == (started or job.queued_at) / 1000
    assert row["started"] == (started and started / 1000)
    result = ast.literal_eval(row["result"])
    assert (result["cost"], result["state"]) == (usd(job.cost), job.state.value)
    assert row["runtime"] == (started and ((job.ended_at or started) - started) / 1000)
    if job.state in {State.FAILED, State.EXPIRED}:
        assert row["exception"].startswith(f"{job.error_code}: ")
    else:
        assert row["exception"] is None


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Give a running `up`, on which a batch was cancelled unsent, and another will expire."""
    simulator = Simulator("--latency", "0.3")
    place = Place(tmp_path_factory.mktemp("rows"), **real(simulator, **SETTINGS))
    place.env["PUBLIC_URL"] = f"http://127.0.0.1:{place.ports[0]}"
    try:
        with up(place) as running:
            here = Ground(running, store_of(place), simulator)
            gossip = here.store.client.pubsub()  # as of a worker of another program: no Flower
            gossip.psubscribe("/0.celeryev/worker.*")
            here.submit("late", 8, "latency=600")
            yield here
            gossip.close()
            here.store.client.close()
    finally:
        simulator.stop()


def test_where_moves_come_too_fast_only_ends_are_shown(ground: Ground) -> None:
    ground.submit("done", 1, "")
    wait_until(lambda: ground.have_ended("done"))
    ground.agrees("done")
    late, done = ground.records("late")[0], ground.records("done")[0]
    wait_until(lambda: ground.shown().get(late.id, {}).get("state") == "STARTED")
    wait_until(lambda: ground.store.unshown() == 0)
    open_, ended = {late.id: "processing"}, {done.id: "completed"}
    before = ground.events("task-started"), ground.events("task-succeeded")
    ground.moves(*[open_, ended] * (SHOWN.most // 2))
    wait_until(lambda: ground.events("task-succeeded") > before[1])
    assert ground.events("task-started") == before[0]
    ground.moves(open_, ended)
    wait_until(lambda: ground.events("task-started") > before[0])
    waited = ground.events("task-retried")  # a row that shows an end goes on, however fast
    ground.moves({late.id: "queued"}, *[ended] * SHOWN.most)
    wait_until(lambda: ground.events("task-retried") > waited)


def test_rows_of_open_and_ended_jobs_come_right_when_flower_was_killed(ground: Ground) -> None:
    ground.submit("before", 20, *KINDS)
    wait_until(lambda: ground.have_ended("before"))
    ground.agrees("before")
    ground.submit("open", 20, "latency=600")
    opened = {job.id for job in ground.records("open")}
    wait_until(lambda: {ground.shown().get(id_, {}).get("state") for id_ in opened} == {"STARTED"})
    os.kill(ground.running.children["flower"], signal.SIGKILL)
    ground.submit("meanwhile", 20, *KINDS)
    assert ground.place.run("cancel", "open", "--yes").returncode == 0
    wait_until(lambda: ground.have_ended("meanwhile") and ground.have_ended("open"), 20)
    for name in ("before", "open", "meanwhile"):
        ground.agrees(name)


def test_moves_that_were_not_kept_are_told_as_a_gap(ground: Ground) -> None:
    wait_until(lambda: ground.store.unshown() == 0)
    begun = time.time() - 1
    ground.moves(*[{"gone": "completed"}] * (UNSHOWN + 1000))
    wait_until(lambda: ground.shown(search="name:reelqueue.gap"))
    (gap,) = ground.shown(search="name:reelqueue.gap").values()
    assert re.match(r"\('moves before [-0-9]{10} [:0-9]{8}Z are not shown", gap["args"])
    assert gap["timestamp"] > begun


def test_every_row_agrees_with_its_record(ground: Ground) -> None:
    assert ground.place.run("pause", "--all").returncode == 0
    ground.submit("given-up", 40, "")
    assert ground.place.run("cancel", "given-up", "--yes").returncode == 0
    assert ground.place.run("resume", "--all").returncode == 0
    again = ground.place.run("retry", "given-up", "--id", "row-0", "--yes")
    assert again.returncode == 0, again.stderr
    ground.submit("mix", 240, *KINDS)
    wait_until(lambda: ground.have_ended("mix"), 30)
    ground.agrees("mix")
    again = ground.place.run("retry", "mix", "--code", "contentPolicyViolation", "--yes")
    assert again.returncode == 0, again.stderr
    more = ground.place.run("retry", "mix", "--partial", "--yes")
    assert more.returncode == 0, more.stderr
    ground.overdue("late")
    wait_until(lambda: ground.have_ended("mix") and ground.have_ended("late"), 40)
    for name in ("given-up", "mix", "late"):
        ground.agrees(name)
    states = {name: {r.state for r in ground.records(name)} for name in ("given-up", "late")}
    assert states == {
        "given-up": {State.CANCELLED, State.COMPLETED},
        "late": {State.EXPIRED},
    }
    assert {job.attempt for job in ground.records("mix")} == {1, 2, 3}


def test_a_backlog_that_is_given_up_is_not_poured_into_flower(ground: Ground) -> None:
    unsent = {ground.records("given-up")[1].id: "cancelled"}
    portion = -(-SHOWN.most // SHOWN.at_once) * SHOWN.at_once
    wait_until(lambda: ground.store.unshown() == 0)
    before = ground.events("task-revoked")
    ground.moves(*[unsent] * (CROWD + 3 * portion))  # a row for each portion of them
    rows = -(-CROWD // portion)
    wait_until(lambda: ground.events("task-revoked") == before + rows)


def test_a_row_of_a_job_that_is_open_again_shows_no_end(ground: Ground) -> None:
    ground.submit("again", 2, "fail=contentPolicyViolation*1", "errors=1")
    wait_until(lambda: ground.have_ended("again"))
    ground.agrees("again")
    ids = [job.id for job in ground.records("again")]
    ground.simulator.change(latency=20)  # they must be seen under way
    try:
        for chosen in ("--failed", "--partial"):
            assert ground.place.run("retry", "again", chosen, "--yes").returncode == 0
        wait_until(lambda: {ground.shown()[id_]["state"] for id_ in ids} == {"STARTED"})
        rows = [ground.shown()[id_] for id_ in ids]
    finally:
        ground.simulator.change(latency=0.3)
    told = [(row["result"], row["exception"], row["traceback"], row["runtime"]) for row in rows]
    assert told == [(None,) * 4] * 2
    wait_until(lambda: ground.have_ended("again"), 60)
    ground.agrees("again")


def test_a_call_that_was_refused_has_a_row_with_its_time_and_none_of_its_arguments(
    ground: Ground,
) -> None:
    plain = Celery("plain", broker=ground.url, backend=ground.url)
    columns = {"prompt": "x", "custom_id": "wrong", "video": "canary"}
    send = partial(plain.send_task, "reelqueue.text_inference", queue="reelqueue")
    result, before = send(kwargs=columns), time.time()
    with pytest.raises(Exception, match="canary"):  # its own caller sees what was wrong
        result.get(timeout=20)
    wait_until(lambda: result.id in ground.shown())
    row = ground.shown()[result.id]
    assert (row["state"], row["args"], row["runtime"]) == ("FAILURE", "('wrong',)", 0)
    assert row["exception"].startswith("BadCall: video: must be an http(s) URL")
    assert before - 5 < row["received"] < time.time() + 5
    assert "canary" not in str(row)


def test_the_row_of_a_job_stays_when_another_call_takes_its_id(ground: Ground) -> None:
    (job,) = ground.records("done")
    before = ground.shown()[job.id]
    plain = Celery("plain", broker=ground.url, backend=ground.url)
    send = partial(plain.send_task, "reelqueue.text_inference", queue="reelqueue")
    with pytest.raises(Exception, match="other content"):
        send(kwargs={"prompt": "y"}, task_id=job.id).get(timeout=20)
    last = send(kwargs={"prompt": "z", "custom_id": "\n"})
    wait_until(lambda: last.id in ground.shown())
    assert ground.shown()[job.id] == before


def test_the_table_is_sorted_by_our_columns_as_people_count(ground: Ground) -> None:
    columns = ("custom_id", "medium", "batch", "cost")
    query = {f"columns[{n}][data]": name for n, name in enumerate(columns)}
    query |= {"draw": "1", "start": "0", "length": "9", "search[value]": "kwargs:batch=given-up"}

    def first(column: int, way: str) -> list[str]:
        order = {"order[0][column]": str(column), "order[0][dir]": way}
        rows = ground.ask("/tasks/datatable", **query, **order).json()["data"]
        return [row["custom_id"] for row in rows]

    assert first(0, "asc") == [f"row-{n}" for n in range(9)]
    assert first(1, "desc") == [f"row-{n}" for n in range(39, 30, -1)]
    assert first(3, "desc")[0] == "row-0"


def test_flowers_search_finds_a_job_by_its_custom_id(ground: Ground) -> None:
    (first,) = (job for job in ground.records("late")[:1])
    found = ground.shown(search="kwargs:custom_id=row-0 kwargs:batch=late")
    assert list(found) == [first.id]


def test_flower_keeps_its_rows_and_no_file_of_them_stops_it(ground: Ground) -> None:
    folder = ground.place.data / "flower"
    forget, ids = ground.store.keys("lately"), {job.id for job in ground.records("given-up")}
    ground.store.client.delete(forget)
    restart(ground, signal.SIGTERM)
    assert ids <= set(ground.shown())
    for path in folder.iterdir():
        path.write_bytes(b"no rows")
    restart(ground, signal.SIGKILL)
    assert not ids & set(ground.shown())
    assert any(path.name.endswith(".corrupt") for path in folder.iterdir())
    shutil.rmtree(folder)
    folder.write_text("no folder")
    restart(ground, signal.SIGTERM)
    assert ground.ask("/tasks").ok
    assert folder.read_text() == "no folder"


def restart(ground: Ground, how: signal.Signals) -> None:
    """End Flower and wait for the next to answer."""
    before = ground.running.children["flower"]
    os.kill(before, how)
    wait_until(lambda: ground.running.children.get("flower", before) != before)
    wait_until(lambda: answers(ground))


def answers(ground: Ground) -> bool:
    with suppress(requests.RequestException):
        return ground.ask("/healthcheck").ok
    return False
