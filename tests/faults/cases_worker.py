"""What goes wrong with workers, their messages and their clocks."""

import base64
import pickle
import signal
import time
import uuid
from random import Random

from core_driver import SECRET
from registry import MEMORIES, Open, case
from simulator_driver import wait_until
from yard import KINDS, LONG, OFF, Told, Yard, until

from tasks import verbs
from tasks.job import ENDED
from tasks.wire.request import dumps

POINTS = {
    "after:claim": [("", 2)],
    "before:POST": [("", 2)],
    "after:POST": [("", 2), (OFF, 1)],
    "after:acknowledge": [(OFF, 2)],
    "before:lose": [("ack=lost", 1)],
    "after:lose": [(f"ack=lost {OFF}", 1)],
    "before:absent": [("drop=before*1", 1)],
    "after:absent": [("drop=before*1", 1)],
    "after:claim_due": [(OFF, 1)],
    "after:getResponse": [(OFF, 3)],
    "before:join": [(f"errors=1 {OFF}", 2)],
    "after:join": [(OFF, 2)],
    "before:again": [("fail=providerError*1", 1)],
    "after:again": [("fail=providerError*1", 1)],
    "before:settled": [("", 1)],
    "after:settled": [("", 1)],
}
"""Where a worker dies, and a task that brings it there."""


@case(memories=MEMORIES)
def workers_die_between_all_steps(yard: Open) -> Told:
    with yard(workers=0, simulator=("--latency", "0.3")) as at:
        for point, tasks in POINTS.items():
            name = point.replace(":", "-")
            mark = at.folder / name
            worker = at.hire(CRASH_AT=point, CRASH_MARK=str(mark))
            at.submit(list(tasks), name)
            wait_until(mark.exists, 30)
            wait_until(lambda dying=worker: not dying.lives, 10)
            at.kill_workers()
        at.hire()
        at.heal()
        return at.verdict()


@case()
def workers_are_killed_again_and_again(yard: Open) -> Told:
    with yard(workers=2, settings=LONG) as at:
        at.submit(KINDS * 5)
        for _ in range(4):
            before = at.ended
            until(lambda seen=before: at.ended > seen)
            at.kill_workers()
            at.hire()
            at.hire()
        at.heal()
        return at.verdict()


@case(memories=MEMORIES)
def a_worker_that_stops_before_its_post_wakes_after_its_lease(yard: Open) -> Told:
    return wakes_late(yard, "before:POST")


@case(memories=MEMORIES)
def a_worker_that_stops_after_its_post_wakes_after_its_lease(yard: Open) -> Told:
    return wakes_late(yard, "after:POST")


def wakes_late(yard: Open, point: str) -> Told:
    """Stop a worker at a point until another has done all its work; leases last as they do."""
    with yard(workers=0) as at:
        mark = at.folder / "mark"
        sleeper = at.hire(CRASH_AT=point, CRASH_MARK=str(mark), CRASH_BY="stop")
        at.submit(KINDS)
        wait_until(mark.exists, 30)
        at.hire()
        until(lambda: at.ended == len(at.jobs), 120)
        sleeper.send(signal.SIGCONT)
        wait_until(mark.with_suffix(".done").exists, 30)  # what it was about to do
        at.events += 1
        at.heal()
        return at.verdict()


@case(needs="compiler")
def the_clock_of_a_worker_is_two_hours_ahead_or_behind(yard: Open) -> Told:
    with yard(workers=2, shims=["worker0", "worker1"], settings=LONG) as at:
        at.shims["worker0"].shift(7200)
        at.shims["worker1"].shift(-7200)
        at.events = 2
        at.submit(KINDS * 4)
        return at.verdict()


@case()
def two_lead_at_once(yard: Open) -> Told:
    with yard(workers=3, settings=LONG) as at:
        at.submit(KINDS * 4)
        while at.ended < 24:
            at.store.client.delete(at.store.keys("leader"))
            at.bury()  # and seats are given out twice
            at.events += 1
            time.sleep(0.1)
        at.heal()
        return at.verdict()


@case()
def nobody_leads_for_a_while(yard: Open) -> Told:
    with yard(workers=0) as at:
        at.submit(KINDS)
        time.sleep(2)
        at.hire()
        at.events = 1
        at.heal()
        return at.verdict()


@case()
def workers_are_replaced_under_load(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        at.submit(KINDS * 5)
        for _ in range(3):
            before = at.ended
            until(lambda seen=before: at.ended > seen)
            old = at.workers.pop()
            at.hire()
            old.end(signal.SIGTERM)
            at.events += 1
        at.heal()
        return at.verdict()


@case(memories=("forever", "never"))
def the_user_gives_jobs_up_and_asks_for_them_again_while_workers_die(yard: Open) -> Told:
    drawn, retried = Random(1), 0
    with yard(workers=2, settings=LONG) as at:
        at.submit(KINDS * 4)
        for number in range(16):
            chosen = [one for one in at.records() if drawn.random() < 0.2]
            verbs.cancel(at.store, chosen)
            over = [one for one in chosen if one.state in ENDED]
            retried += verbs.retry(at.store, SECRET, over).count("moved")
            verbs.hold(at.store, "*", "for a moment")
            if number % 4 == 1:
                at.kill_workers()
                at.hire()
            verbs.resume(at.store, "*")
            at.events += 1
            time.sleep(0.2)
        at.heal()
        return at.verdict(retried=retried)


@case()
def messages_of_others_stand_in_the_queue(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        alive = at.pids
        at.submit(KINDS)
        at.store.client.rpush("faults", *map(dumps, foreign_messages()))
        at.events = len(foreign_messages())
        at.heal()
        told = at.verdict()
        assert at.pids == alive
        wait_until(lambda: not at.store.client.llen("faults"))
        return told


@case()
def the_disk_for_logs_is_full(yard: Open) -> Told:
    with yard(workers=0) as at:
        assert at.door
        at.door.end()
        at.log_to("/dev/full")
        at.open_door()
        at.hire()
        wait_until(at.answers, 30)
        alive = at.pids
        at.submit(KINDS * 2)
        at.events = 2
        told = at.verdict()
        assert at.pids == alive
        return told


@case()
def everything_is_killed_and_comes_back_in_any_order(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        at.submit(KINDS * 5)
        for order in ("swd", "dws", "wds"):
            before = at.ended
            until(lambda seen=before: at.ended > seen)
            fall(at)
            for which in order:
                rise(at, which)
            at.events += 1
            until(at.store.client.ping)
            at.bury()
        at.heal()
        return at.verdict()


def fall(at: Yard) -> None:
    """Kill everything of ours."""
    assert at.door
    at.server.stop(signal.SIGKILL)
    at.door.end()
    for worker in at.workers:
        worker.end()
    at.workers.clear()


def rise(at: Yard, which: str) -> None:
    """Start one of them."""
    {"s": at.server.start, "w": at.hire, "d": at.open_door}[which]()


def foreign_messages() -> list[dict[str, object]]:
    """Return messages that kombu or Celery cannot make sense of, and harmless ones of no use."""
    typed = {"__type__": "datetime", "__value__": "never"}
    bodies = (
        ("reelqueue.poll", "application/json", dumps([[typed, "x"], {}, {}])),
        ("reelqueue.poll", "application/json", dumps([["poll:0", "nobody"], {}, {}])),
        ("reelqueue.unknown", "application/json", dumps([[], {}, {}])),
        ("reelqueue.poll", "application/json", b"no json"),
        ("reelqueue.poll", "application/x-python-serialize", pickle.dumps([[], {}, {}])),
    )
    return [envelope(task, kind, body) for task, kind, body in bodies]


def envelope(task: str, kind: str, body: bytes) -> dict[str, object]:
    """Wrap a message's body as kombu does."""
    name = str(uuid.uuid4())
    sent = {"exchange": "", "routing_key": "faults"}
    return {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": kind,
        "headers": {"lang": "py", "task": task, "id": name, "argsrepr": "()", "kwargsrepr": "{}"},
        "properties": {
            "correlation_id": name,
            "delivery_info": sent,
            "delivery_tag": name,
            "body_encoding": "base64",
        },
    }
