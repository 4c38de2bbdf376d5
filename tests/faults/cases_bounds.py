"""How soon all is well again, with the settings' own times where nothing else is said."""

import signal
import time

import requests
from redis import Redis
from registry import Open, case
from simulator_driver import wait_until
from yard import OFF, Told, until

from tasks.job import State

OWN = {
    "REELQUEUE_POLL_FIRST": "20",
    "REELQUEUE_POLL_MAX": "30",
    "REELQUEUE_RESOLVE_AFTER": "120",
}
"""The defaults where callbacks are asked for."""


@case()
def lost_callbacks_are_made_up_for_by_polls_within_a_minute(yard: Open) -> Told:
    many = {**OWN, "REELQUEUE_WINDOW_START": "2000"}
    with yard(settings=many, simulator=("--latency", "1-30")) as at:
        at.submit([(OFF, 1)] * 2000)
        at.events = 2000
        told = at.verdict(120, patient=True)
        truth = {task["taskUUID"]: task for task in at.simulator.truth("?tasks=1")["tasks"]}
        late = [(one.ended_at or 0) / 1000 - truth[one.id]["finished_at"] for one in at.records()]
        assert max(late) <= 60
        return took(told, max(late))


@case()
def the_work_of_a_dead_worker_is_resumed_within_a_minute(yard: Open) -> Told:
    with yard(workers=2, simulator=("--latency", "1")) as at:
        at.provider_line.delay = 0.3
        at.submit([("", 1), (OFF, 1)] * 100)
        until(lambda: at.count(State.SUBMITTING) > 10)
        at.workers.pop(0).end()
        at.provider_line.delay = 0
        at.events += 1
        at.heal()
        told = at.verdict(90, patient=True)
        assert told.seconds is not None
        assert told.seconds <= 60
        return told


@case()
def vanished_messages_are_made_up_for_within_a_minute(yard: Open) -> Told:
    with yard(settings={"REELQUEUE_WINDOW_START": "6"}) as at:
        at.submit([("", 1), (OFF, 1)] * 10)
        until(lambda: at.ended > 2)
        (worker,) = at.workers
        worker.send(signal.SIGSTOP)  # so that messages are there to be lost
        at.bury()
        at.store.client.delete(at.store.keys("leader"))
        at.hire()
        worker.end()
        at.workers.remove(worker)
        at.store.client.delete("faults", "faults.doors")  # the queues of messages
        at.events += 1
        at.heal()
        told = at.verdict(90, patient=True)
        assert told.seconds is not None
        assert told.seconds <= 60
        return told


@case()
def callbacks_are_accepted_five_seconds_after_a_restart_of_the_store(yard: Open) -> Told:
    with yard(settings={"REELQUEUE_POLL_FIRST": "60"}) as at:
        fill(at.store.client, 200)
        at.submit([("webhook=jitter:3", 1)] * 40)
        until(lambda: at.ended > 3)
        at.server.stop(signal.SIGKILL)
        begun = time.monotonic()
        at.server.start()
        probe = f"http://127.0.0.1:{at.port}/readyz"
        wait_until(lambda: requests.get(probe, timeout=5).ok, 30)
        seconds = time.monotonic() - begun
        assert seconds <= 5
        at.events = 1
        return took(at.verdict(), seconds)


@case()
def everything_is_away_for_longer_than_the_deadline_and_nothing_expires(yard: Open) -> Told:
    # All by twenty: ten minutes of outage are 30 s. The deadline is 20 s, shorter, to be harder.
    times = {"REELQUEUE_POLL_FIRST": "1", "REELQUEUE_RESOLVE_AFTER": "6"}
    scaled = {**OWN, **times, "REELQUEUE_DEADLINE": "20"}
    with yard(settings=scaled, simulator=("--latency", "2-10", "--webhook-tries", "4")) as at:
        at.submit([("", n % 3 + 1) for n in range(300)])
        until(lambda: at.count(State.PROCESSING) > 30)
        at.simulator.change(outage="refuse")
        at.server.send(signal.SIGSTOP)
        at.callback_line.refusing = at.provider_line.refusing = True
        for line in (at.callback_line, at.provider_line):
            line.cut()
        time.sleep(30)
        at.callback_line.refusing = at.provider_line.refusing = False
        at.server.send(signal.SIGCONT)
        at.simulator.change(outage=None)
        at.heal()
        told = at.verdict(300, patient=True)
        assert {one.state for one in at.records()} == {State.COMPLETED}
        assert told.seconds is not None
        assert told.seconds <= 300
        return told


def fill(client: Redis, megabytes: int) -> None:
    """Make a history of so many megabytes, in values as large as a result."""
    for start in range(0, megabytes * 256, 2560):
        pipe = client.pipeline(transaction=False)
        for n in range(2560):
            pipe.set(f"filler:{start + n}", b"x" * 4096)
        pipe.execute()


def took(told: Told, seconds: float) -> Told:
    """Show how long it took by another clock than the case's."""
    return Told(told.score, told.events, seconds)
