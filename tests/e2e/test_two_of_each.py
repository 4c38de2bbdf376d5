"""Two workers and two callback doors on one store behave as one, and outlive a worker's death."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests
from simulator_driver import ROOT, Simulator, wait_until
from stack_driver import Place, real, store_of, up
from stage_driver import Stage, Task, Turnstile, hasten
from store_driver import free_port

FLOWER = ("user", "password")
SETTINGS = {
    "REELQUEUE_POLL_FIRST": "0.5",
    "REELQUEUE_POLL_MAX": "1",
    "REELQUEUE_RESOLVE_AFTER": "2",
    "REELQUEUE_WINDOW_START": "16",
    "REELQUEUE_FLOWER_AUTH": ":".join(FLOWER),
}
JOB = "reelqueue.text_inference"
KINDS = ("", "webhook=off", "webhook=dup:2", "fail=providerError*1", "identical")


@contextmanager
def beside(place: Place, package: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run one more process of a kind for the length of a block, with the environment of `up`."""
    log = (place.data.parent / f"{package}.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", package],
        env=place.env | settings,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(15)
        log.close()


RESUMED = 60
"""Seconds in which a dead worker's work is taken up (tests/faults/README.md); its seats are free
after 45 of them (worker/seats.py)."""


@pytest.fixture
def provider_of_two() -> Iterator[Simulator]:
    running = Simulator("--latency", "0.3-1.2")
    yield running
    running.stop()


@pytest.mark.parametrize("jobs", [75, pytest.param(300, marks=pytest.mark.long)])
def test_two_workers_and_two_doors_of_which_a_leading_worker_is_killed_count_nothing_twice(
    jobs: int, place: Place, provider_of_two: Simulator
) -> None:
    tasks: list[Task] = [(KINDS[n % 5], 1 + n % 3) for n in range(jobs)]
    second = free_port()
    doors = [f"http://127.0.0.1:{port}" for port in (place.ports[0], second)]
    with Turnstile(doors) as turnstile:
        place.env |= real(provider_of_two, **SETTINGS, PUBLIC_URL=turnstile.url)
        with (
            up(place) as running,
            beside(place, "worker") as worker,
            beside(place, "webhooks", REELQUEUE_PORT=str(second)),
            Stage(provider_of_two, place, store_of(place)) as stage,
        ):
            wait_until(lambda: len(shown(place, "workers?status=1")) == 2, 20)
            wait_until(lambda: answers(doors[1]), 20)
            stage.submit("films", tasks)
            wait_until(lambda: ended(stage) > jobs / 5, 20)
            kill_the_leader(stage, {running.children["worker"], worker.pid})
            assert ended(stage) < jobs
            rows = stage.end("films")
            assert {row["state"] for row in rows} == {"completed"}
            assert min(turnstile.passed) > jobs / 3
            logs = (place.log("worker"), (place.data.parent / "worker.log").read_text("utf-8"))
            assert all('"tasks":' in log for log in logs)  # both have polled
            ids = {row["job_id"] for row in rows}
            # The one that was killed may have held the seat of the door that shows rows.
            rows_shown = f"tasks?limit=1000&taskname={JOB}"
            wait_until(lambda: set(shown(place, rows_shown)) == ids, RESUMED)


def shown(place: Place, what: str) -> dict[str, object]:
    """Return what Flower shows, by worker or by taskUUID."""
    answer = requests.get(f"{place.flower}/api/{what}", auth=FLOWER, timeout=5)
    found: dict[str, object] = answer.json() if answer.ok else {}
    return found


def answers(door: str) -> bool:
    """Whether a callback door is ready."""
    try:
        return requests.get(f"{door}/readyz", timeout=2).ok
    except requests.ConnectionError:
        return False


def ended(stage: Stage) -> int:
    """Return how many jobs have ended."""
    return sum(one.ended_at is not None for one in stage.records("films"))


def kill_the_leader(stage: Stage, workers: set[int]) -> None:
    """Kill the worker that hands out work, whoever started it, and wait for the other to do so.

    What it held is freed at once; how long leases and seats last is not what is tested.
    """
    store = stage.store
    leads = store.client.get(store.keys("leader")).decode()
    pid = int(leads.removeprefix("reelqueue-").split("@")[0])
    assert pid in workers
    os.kill(pid, signal.SIGKILL)
    hasten(store, "leases")
    for kind in ("settle:0", "sweep:0"):
        store.client.delete(store.keys("seat", kind))
    wait_until(lambda: store.client.get(store.keys("leader")) not in {None, leads.encode()})
