"""Callbacks that could not be understood: kept once each, listed safely, replayed, dropped."""

import json
import tracemalloc
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from core_driver import audit, bring_to, queue, record, row
from door_driver import result
from store_driver import StoreServer

from console.main import main
from tasks import quarantine
from tasks.ids import short_digest
from tasks.job import State
from tasks.steps import receive
from tasks.store import QUARANTINE_MOST, Store

Run = Callable[..., Result]
KEY = "rw-canary-key-of-the-user"


@pytest.fixture
def run(store_server: StoreServer, namespace: str, tmp_path: Path) -> Run:
    """Run the verb within this process; its input is no terminal."""
    env = {
        "REDIS_URL": store_server.url,
        "REELQUEUE_NAMESPACE": namespace,
        "REELQUEUE_DATA_DIR": str(tmp_path),
        "RUNWARE_API_KEY": KEY,
    }

    def run_one(*args: str) -> Result:
        done = CliRunner(env=env).invoke(main, ["quarantine", *args])
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done

    return run_one


def kept_as_by_an_older_version(store: Store, job: str, body: object) -> None:
    """Keep a body that this version reads well, as one without that shape did."""
    raw = json.dumps(body).encode()
    store.quarantine(job, short_digest(raw), raw)


def processing(store: Store) -> str:
    (job,) = queue(store, row())
    bring_to(store, job, State.PROCESSING)
    return job


def test_the_list_shows_each_body_once_on_one_line_without_controls(store: Store, run: Run) -> None:
    job, odd = processing(store), b'\x1b[2J\r\n"\xe2\x80\xae\x00 what is this? \xff'
    for _ in range(3):
        assert receive(store, job, odd) == "unreadable"

    (line,) = run().stdout.splitlines()
    (told,) = map(json.loads, run("--json").stdout.splitlines())

    assert line.startswith(f"{job}  {short_digest(odd)}  {len(odd)} bytes")
    assert "what is this?" in line
    assert line.isprintable()
    assert (told["job"], told["bytes"]) == (job, len(odd))
    assert told["excerpt"].isprintable()


@pytest.mark.parametrize("equals", ["=", "%3D", "%3d"])
def test_an_excerpt_shows_neither_the_key_nor_a_callback_token(
    equals: str, store: Store, run: Run
) -> None:
    job, token = processing(store), "canary-token".ljust(43, "x")
    echoed = {"webhookURL": f"https://h/w?j=a&t{equals}{token}", "key": KEY}
    receive(store, job, json.dumps(echoed).encode())

    shown = run().stdout + run("--json").stdout

    assert "webhookURL" in shown
    assert "canary" not in shown


def test_a_body_that_is_understood_after_a_fix_joins_its_job_and_leaves(
    store: Store, run: Run
) -> None:
    job, other = processing(store), processing(store)
    kept_as_by_an_older_version(store, job, result(job))
    receive(store, other, b"still no JSON")

    told = run("--replay").stderr

    assert "1 joined to their jobs" in told
    assert "1 still cannot be understood" in told
    assert record(store, job).state is State.COMPLETED
    assert [one.job for one in quarantine.kept(store)] == [other]
    audit(store, [job, other])
    cost = record(store, job).cost
    assert "0 joined" in run("--replay").stderr
    assert record(store, job).cost == cost


def test_a_replay_of_what_came_by_another_road_meanwhile_counts_nothing_twice(
    store: Store, run: Run
) -> None:
    job = processing(store)
    kept_as_by_an_older_version(store, job, result(job))
    assert receive(store, job, json.dumps(result(job)).encode()) == "stored"
    before = record(store, job).cost

    assert "1 joined" in run("--replay").stderr

    assert record(store, job).cost == before
    assert list(quarantine.kept(store)) == []
    audit(store, [job])


def test_what_is_another_jobs_or_nobodys_stays_where_it_is(store: Store, run: Run) -> None:
    job, other, nobody = processing(store), processing(store), str(uuid.uuid4())
    kept_as_by_an_older_version(store, job, result(other))
    receive(store, nobody, json.dumps(result(nobody)).encode())

    told = run("--replay").stderr

    assert "1 are of another job's task" in told
    assert "1 are of jobs or tasks that the store does not know" in told
    assert {one.job for one in quarantine.kept(store)} == {job, nobody}


def test_a_full_quarantine_evicts_nothing_and_fails_the_doctor_until_there_is_room(
    store: Store, run: Run, store_server: StoreServer
) -> None:
    job = processing(store)
    for n in range(QUARANTINE_MOST):
        assert receive(store, job, b"%d}" % n) == "unreadable"
    assert receive(store, job, b"one more}") == "full"
    assert quarantine.full(store) == [job]
    env = {"REDIS_URL": store_server.url, "REELQUEUE_NAMESPACE": store.keys.namespace}
    doctor = CliRunner(env=env).invoke(main, ["doctor"])
    assert f"FAIL  no more callbacks are kept of {job}" in doctor.stdout
    assert doctor.exit_code == 1

    assert f"{QUARANTINE_MOST} dropped" in run("--drop", job, "--yes").stderr

    assert receive(store, job, b"one more}") == "unreadable"
    assert quarantine.full(store) == []


def test_nothing_is_dropped_without_a_word_and_only_what_was_named(store: Store, run: Run) -> None:
    job, other = processing(store), processing(store)
    for each in (job, other):
        receive(store, each, b"?")
    for wrong in (["--drop"], ["--drop", job], ["--drop", "--all", job], ["--drop", "--replay"]):
        assert run(*wrong).exit_code == 2
    assert len(list(quarantine.kept(store))) == 2

    assert run("--drop", job, "--yes").exit_code == 0
    assert [one.job for one in quarantine.kept(store)] == [other]
    assert run("--drop", "--all", "--yes").exit_code == 0
    assert run().stdout == ""
    assert store.client.exists(store.keys("quarantined")) == 0


@pytest.mark.parametrize("option", ["--replay", "--drop"])
def test_however_many_bodies_there_are_few_are_in_memory_at_once(
    store: Store, run: Run, option: str
) -> None:
    jobs, body = [processing(store) for _ in range(8)], b"?" * 4_000_000
    for job in jobs:
        assert store.quarantine(job, short_digest(body), body) == "kept"
    assert quarantine.count(store) == len(jobs)
    assert quarantine.count(store, jobs[:2]) == 2

    tracemalloc.start()
    try:
        done = run(option, "--all", "--yes") if option == "--drop" else run(option)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert done.exit_code == 0
    assert most < 5 * len(body)
    assert quarantine.count(store) == (0 if option == "--drop" else len(jobs))
