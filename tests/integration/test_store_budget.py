"""A batch with a limit: claimed only as far as its cost, come what may, stays within."""

from functools import partial

import pytest
from core_driver import (
    LOG,
    SECRET,
    Rig,
    agree,
    asked,
    audit,
    error,
    queue,
    record,
    row,
    success,
    take,
    verdict,
)
from simulator_driver import Simulator

from batches.budget import budget, overshot, untold
from console.submit import limited
from tasks import reading, verbs
from tasks.job import State
from tasks.money import NANO
from tasks.outbox import Outbox, drain
from tasks.settle import settle
from tasks.store import Store

pytestmark = pytest.mark.one_store

PROMPT = 5_000
"""Tokens, more than the simulator counts for a prompt without media."""
BATCH = "batch_batch"


def reserve(store: Store, jobs: list[str], nano: int) -> None:
    for job in jobs:
        store.client.hset(store.keys("job", job), "rv", nano)


def end(store: Store, job: str, cost: float | None) -> None:
    with store.moves() as moves:
        moves.join(asked(store, job), 0, 1.0, "", verdict(success(job, cost=cost), final=True))


def test_no_more_is_claimed_than_the_limit_can_pay_for(store: Store) -> None:
    jobs = queue(store, *[row() for _ in range(6)])
    reserve(store, jobs, NANO // 10)
    store.budget(BATCH, NANO, 2 * NANO // 10)  # a job may cost 0.3
    assert len(take(store)[1]) == 3
    assert take(store)[1] == ()
    assert store.outlook().claimable == 0
    audit(store, jobs)


def test_an_input_is_reckoned_with_each_result_for_it_may_be_billed_so(store: Store) -> None:
    jobs = queue(store, *[row(numberResults=3) for _ in range(3)])
    reserve(store, jobs, NANO // 10)
    store.budget(BATCH, NANO, NANO // 10)  # a job may cost 0.4
    assert len(take(store)[1]) == 2
    audit(store, jobs)


def test_what_a_job_did_not_need_pays_for_the_next(store: Store) -> None:
    jobs = queue(store, *[row() for _ in range(4)])
    reserve(store, jobs, NANO // 2)
    store.budget(BATCH, NANO, 0)
    token, first = take(store)
    assert len(first) == 2
    with store.moves() as moves:
        moves.acknowledge(first[0].id, token, 60.0, "")
    end(store, first[0].id, 0.1)
    assert take(store)[1] == ()  # 0.1 spent, 0.5 reserved, 0.5 needed
    with store.moves() as moves:
        moves.acknowledge(first[1].id, token, 60.0, "")
    end(store, first[1].id, 0.1)
    assert len(take(store)[1]) == 1
    audit(store, jobs)


def test_a_job_that_is_refused_gives_its_reservation_back(store: Store) -> None:
    jobs = queue(store, row(), row())
    reserve(store, jobs, NANO)
    store.budget(BATCH, NANO, 0)
    token, (job,) = take(store)
    with store.moves() as moves:
        moves.refuse(job.id, token, 0.0, "", "")
    assert len(take(store)[1]) == 1


def test_until_an_input_has_a_price_jobs_go_one_at_a_time(store: Store) -> None:
    jobs = queue(store, *[row() for _ in range(5)])
    reserve(store, jobs, 1000)
    store.budget(BATCH, NANO, None)
    assert len(take(store)[1]) == 1
    assert take(store)[1] == ()
    store.learn_bound(BATCH, NANO // 4)
    assert len(take(store)[1]) == 3  # 0.75 of 1 dollar; the first was reserved without an input


def test_a_bound_that_the_user_gave_is_not_learned_over(store: Store) -> None:
    jobs = queue(store, *[row() for _ in range(3)])
    reserve(store, jobs, 0)
    store.budget(BATCH, NANO, NANO // 2)
    store.learn_bound(BATCH, NANO)
    assert len(take(store)[1]) == 2


def test_a_raised_limit_lets_the_batch_go_on(store: Store) -> None:
    jobs = queue(store, *[row() for _ in range(3)])
    reserve(store, jobs, NANO)
    store.budget(BATCH, NANO, 0)
    assert len(take(store)[1]) == 1
    store.budget(BATCH, 3 * NANO, 0)
    assert len(take(store)[1]) == 2


def test_a_limit_below_what_is_spent_and_reserved_is_told_as_what_it_is(store: Store) -> None:
    jobs = queue(store, *[row() for _ in range(3)])
    reserve(store, jobs, NANO // 10)
    store.budget(BATCH, NANO, 0)
    token, (first, *_) = take(store)
    with store.moves() as moves:
        moves.acknowledge(first.id, token, 60.0, "")
    end(store, first.id, 0.08)
    lower = budget("0.05", 1)
    store.budget(BATCH, lower.most, lower.bound)
    batch = reading.batch(store, BATCH)
    assert batch
    assert limited(lower, batch) == (
        "the batch has already cost 0.08 USD, and what was sent of it may cost 0.2 USD more: "
        "no more of it is sent under --max-cost 0.05"
    )
    assert overshot(batch).startswith(
        "it cost 0.03 USD more than --max-cost 0.05: that was set below what had been spent, "
    )


def test_what_a_result_of_no_told_cost_may_have_cost_stays_reserved(store: Store) -> None:
    jobs = queue(store, *[row() for _ in range(6)])
    reserve(store, jobs, NANO // 10)
    store.budget(BATCH, NANO, 2 * NANO // 10)  # a job may cost 0.3
    token, first = take(store)
    assert len(first) == 3
    for job, cost in zip(first, (None, 0.0, 0.2), strict=True):
        with store.moves() as moves:
            moves.acknowledge(job.id, token, 60.0, "")
        end(store, job.id, cost)
    batch = reading.batch(store, BATCH)
    assert batch
    assert (batch.cost, batch.reserved, batch.untold) == (NANO // 5, 0, 3 * NANO // 10)
    assert "up to 0.3 USD more than is shown may be billed" in untold(batch)
    assert len(take(store)[1]) == 1  # 0.2 spent, 0.3 set aside, 0.3 needed
    assert take(store)[1] == ()
    stuck = reading.batch(store, BATCH)
    assert stuck
    assert (stuck.reserved, stuck.next_cost) == (3 * NANO // 10, 3 * NANO // 10)
    audit(store, jobs)


def test_without_a_limit_nothing_is_set_aside(store: Store) -> None:
    (job,) = queue(store, row())
    reserve(store, [job], NANO)
    token, _ = take(store)
    with store.moves() as moves:
        moves.acknowledge(job, token, 60.0, "")
    end(store, job, None)
    batch = reading.batch(store, BATCH)
    assert batch
    assert (batch.cost, batch.untold, untold(batch)) == (0, 0, "")


def test_a_limit_stops_its_own_batch_alone(store: Store) -> None:
    poor = queue(store, row(), name="poor")
    reserve(store, poor, NANO)
    store.budget("batch_poor", NANO - 1, 0)
    rich = queue(store, row(), name="rich")
    assert [job.id for job in take(store)[1]] == rich


@pytest.mark.parametrize("results", [1, 4])
@pytest.mark.parametrize("is_learned", [True, False])
def test_a_batch_is_never_charged_more_than_its_limit(
    store: Store, simulator: Simulator, results: int, *, is_learned: bool
) -> None:
    rig = Rig(store, simulator.v1)
    body = {"settings": {"maxTokens": 900}, "numberResults": results}
    rig.queue(*[row(f"Look {n}. [[sim: latency=0.05]]", **body) for n in range(9)])
    reserve(store, rig.jobs, 900 * 12_000 * results)
    limit = 5 * 900 * 12_000 * results
    store.budget(BATCH, limit, None if is_learned else PROMPT * 2_000)
    outbox = Outbox(store, "me")
    outbox.create()

    def stuck() -> bool:
        drain(outbox, partial(settle, store, LOG))
        states = [one.state for one in rig.records()]
        return states.count(State.COMPLETED) >= 2 and not store.window()[1]

    rig.run(stuck)
    batch = reading.batch(store, BATCH)
    assert batch is not None
    assert 0 < batch.cost <= limit
    assert batch.cost == simulator.totals()["charged_nano"]
    assert State.QUEUED in {record(store, job).state for job in rig.jobs}
    store.budget(BATCH, 100 * limit, None)
    rig.run()
    agree(rig, simulator)


def test_what_was_kept_for_a_cost_that_was_not_told_is_given_back_when_it_is(store: Store) -> None:
    jobs = queue(store, *[row() for _ in range(4)])
    reserve(store, jobs, NANO)
    store.budget(BATCH, 2 * NANO, 0)
    _, claimed = take(store)
    assert len(claimed) == 2
    for one in claimed:
        store.deliver(one.id, [success(one.id, cost=None)])
    assert take(store)[1] == ()
    for one in claimed:
        end(store, one.id, 0.1)
    batch = reading.batch(store, BATCH)
    assert batch
    assert (batch.cost, batch.untold) == (NANO // 5, 0)
    assert len(take(store)[1]) == 1, "0.2 are spent, a job may cost 1, the limit is 2"
    audit(store, jobs)


def test_what_is_kept_for_one_attempt_is_not_given_back_for_the_cost_of_another(
    store: Store,
) -> None:
    (job,) = queue(store, row(numberResults=2))
    reserve(store, [job], NANO)
    store.budget(BATCH, 9 * NANO, 0)
    take(store)
    with store.moves() as moves:
        part = verdict(success(job, cost=None), error(job), final=True)
        moves.join(asked(store, job), 0, 1.0, "", part)
    verbs.retry(store, SECRET, [record(store, job)])
    take(store)
    second = record(store, job).attempts[1].task_uuid
    with store.moves() as moves:
        rest = verdict(success(second, "other", cost=0.1), final=True)
        moves.join(asked(store, job), 0, 1.0, "", rest)
    batch = reading.batch(store, BATCH)
    assert batch
    assert (batch.cost, batch.untold) == (NANO // 10, NANO)
    audit(store, [job])


def test_what_one_attempt_cost_hides_not_that_the_next_ones_cost_was_not_told(
    store: Store,
) -> None:
    (job,) = queue(store, row(numberResults=2))
    reserve(store, [job], NANO)
    store.budget(BATCH, 9 * NANO, 0)
    take(store)
    with store.moves() as moves:
        part = verdict(success(job, cost=0.1), error(job), final=True)
        moves.join(asked(store, job), 0, 1.0, "", part)
    verbs.retry(store, SECRET, [record(store, job)])
    take(store)
    second = record(store, job).attempts[1].task_uuid
    store.deliver(job, [success(second, "other", cost=None)])
    batch = reading.batch(store, BATCH)
    assert batch
    assert record(store, job).state is State.COMPLETED
    assert (batch.cost, batch.untold) == (NANO // 10, NANO)
    audit(store, [job])


def test_a_cost_of_nothing_is_told_too(store: Store) -> None:
    (job,) = queue(store, row())
    reserve(store, [job], NANO)
    store.budget(BATCH, 9 * NANO, 0)
    take(store)
    store.deliver(job, [success(job, cost=None)])
    end(store, job, 0)
    batch = reading.batch(store, BATCH)
    assert batch
    assert (batch.cost, batch.untold) == (0, 0)
    audit(store, [job])


def test_a_cost_of_nothing_that_a_callback_tells_sets_nothing_aside(store: Store) -> None:
    (job,) = queue(store, row(numberResults=2))
    reserve(store, [job], NANO)
    store.budget(BATCH, 9 * NANO, 0)
    take(store)
    for text in ("one", "two"):
        store.deliver(job, [success(job, text, cost=0)])
    batch = reading.batch(store, BATCH)
    assert batch
    assert record(store, job).state is State.COMPLETED
    assert (batch.cost, batch.untold, untold(batch)) == (0, 0, "")
    audit(store, [job])


def test_a_job_that_the_limit_stopped_and_the_user_gives_up_makes_room_for_smaller_ones(
    store: Store,
) -> None:
    jobs = queue(store, row(), row(), row())
    for job, most in zip(jobs, (5, 1, 1), strict=True):
        reserve(store, [job], most * NANO)
    store.budget(BATCH, 3 * NANO, 0)
    assert take(store)[1] == ()
    verbs.cancel(store, [record(store, jobs[0])])
    assert [one.id for one in take(store)[1]] == jobs[1:]
    audit(store, jobs)
