"""Settle: every ending at least once, and one that cannot be settled keeps no other waiting."""

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import pytest
import structlog
from core_driver import LOG, bring_to, queue, row

from tasks.errors import StoreAway
from tasks.job import State
from tasks.outbox import DEATHS, DELIVERIES, Entry, Outbox, drain
from tasks.settle import settle
from tasks.store import Store


def ended(store: Store, count: int) -> list[str]:
    made: list[str] = []
    for n in range(count):
        (job,) = queue(store, row(numberResults=2), name=f"b{n}")
        bring_to(store, job, State.COMPLETED)
        made.append(job)
    return made


def outbox(store: Store, consumer: str = "one", abandoned: float = 0.0) -> Outbox:
    made = Outbox(store, consumer, abandoned)
    made.create()
    return made


class Effect:
    """Keeps the jobs it was given; fails where `poison` is among them, as `kind` of error."""

    def __init__(self, poison: str = "", kind: type[Exception] = ValueError) -> None:
        self.poison, self.kind, self.seen = poison, kind, list[str]()

    def __call__(self, entries: Sequence[Entry]) -> None:
        ids = [entry.job for entry in entries]
        if self.poison in ids:
            raise self.kind(self.poison)
        self.seen += ids


def test_endings_are_settled_once_and_leave_the_outbox(store: Store) -> None:
    jobs, effect = ended(store, 3), Effect()
    box = outbox(store)
    assert drain(box, effect) == 3
    assert drain(box, effect) == 0
    assert effect.seen == jobs
    assert store.outlook().endings == 0


def test_endings_are_lines_of_the_log_by_batch_and_state(store: Store) -> None:
    together = queue(store, *[row(numberResults=2) for _ in range(3)], name="night")
    for job in together:
        bring_to(store, job, State.COMPLETED)
    (alone,) = queue(store, row(numberResults=2), name="day")
    bring_to(store, alone, State.FAILED)
    lines = structlog.testing.CapturingLogger()
    bound = structlog.make_filtering_bound_logger(20)
    log = cast("Any", structlog.wrap_logger(lines, processors=[], wrapper_class=bound))
    assert drain(outbox(store), partial(settle, store, log)) == 4
    assert [call.kwargs for call in lines.calls] == [
        {
            "event": "ended",
            "state": "completed",
            "batch": "batch_night",
            "jobs": 3,
            "job": ",".join(together),
        },
        {"event": "ended", "state": "failed", "batch": "batch_day", "jobs": 1, "job": alone},
    ]


def test_what_one_consumer_left_lying_another_settles(store: Store) -> None:
    jobs = ended(store, 2)
    outbox(store, "killed").take()
    effect = Effect()
    assert drain(outbox(store, "other"), effect) == 2
    assert effect.seen == jobs


def test_what_is_being_settled_is_left_to_its_consumer(store: Store) -> None:
    ended(store, 1)
    outbox(store, "busy").take()
    assert drain(outbox(store, "other", abandoned=60), Effect()) == 0


def test_one_poisoned_ending_is_set_aside_and_the_others_are_settled(store: Store) -> None:
    jobs = ended(store, 3)
    effect, box = Effect(poison=jobs[1]), outbox(store)
    for _ in range(DELIVERIES):
        with pytest.raises(ValueError, match=jobs[1]):
            drain(box, effect)
    drain(box, effect)
    assert effect.seen == [jobs[0], jobs[2]]
    assert store.client.lrange(store.keys("unsettled"), 0, -1) == [jobs[1].encode()]
    assert store.outlook().endings == 0


def test_a_store_that_is_away_for_one_ending_keeps_no_other_waiting(store: Store) -> None:
    jobs = ended(store, 3)
    outbox(store, "killed").take()
    jobs += ended(store, 1)
    effect, box = Effect(jobs[0], StoreAway), outbox(store)
    with pytest.raises(StoreAway, match=jobs[0]):
        drain(box, effect)
    assert effect.seen == jobs[1:]
    assert drain(box, Effect()) == 1


def test_an_ending_is_settled_however_often_the_store_was_away_before(store: Store) -> None:
    jobs, box = ended(store, 2), outbox(store)
    away, effect = Effect(jobs[0], StoreAway), Effect()
    for _ in range(DEATHS + DELIVERIES):
        with pytest.raises(StoreAway):
            drain(box, away)
    assert drain(box, effect) == 1
    assert effect.seen == [jobs[0]]
    assert not store.client.exists(store.keys("unsettled"))


def test_an_ending_that_fails_after_the_store_was_away_is_still_set_aside(store: Store) -> None:
    jobs, box = ended(store, 1), outbox(store)
    for kind in (StoreAway,) * DELIVERIES + (ValueError,):
        with pytest.raises(kind):
            drain(box, Effect(jobs[0], kind))
    assert drain(box, Effect()) == 0
    assert store.client.lrange(store.keys("unsettled"), 0, -1) == [jobs[0].encode()]


def test_an_ending_that_ends_every_process_is_set_aside_untried(store: Store) -> None:
    jobs, effect = ended(store, 1), Effect()
    for _ in range(DEATHS):
        outbox(store, "dies").take()
    assert drain(outbox(store), effect) == 0
    assert effect.seen == []
    assert store.client.lrange(store.keys("unsettled"), 0, -1) == [jobs[0].encode()]


def test_endings_survive_a_group_that_the_store_has_lost(store: Store) -> None:
    jobs, effect, box = ended(store, 2), Effect(), outbox(store)
    store.client.xgroup_destroy(store.keys("ends"), "settle")
    assert drain(box, effect) == 0
    assert drain(box, effect) == 2
    assert effect.seen == jobs


def test_the_ending_of_a_job_that_was_removed_is_settled_without_it(store: Store) -> None:
    (job,) = ended(store, 1)
    store.client.delete(store.keys("job", job))
    assert drain(outbox(store), partial(settle, store, LOG)) == 1
    assert store.outlook().endings == 0
