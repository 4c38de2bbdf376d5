"""Retried and cancelled jobs at the simulator: what is bought and paid, whose results count."""

import pytest
from core_driver import SECRET, Rig, agree, endings, resize, row
from simulator_driver import Simulator

from tasks import reading_results, steps, verbs
from tasks.job import State
from tasks.store import Store
from tasks.wire.answer import Kind

pytestmark = pytest.mark.one_store


@pytest.fixture
def rig(store: Store, simulator: Simulator) -> Rig:
    return Rig(store, simulator.v1)


def shown(rig: Rig) -> list[str]:
    (items,) = reading_results.answers(rig.store, rig.records())
    return [str(item.raw["text"]) for item in items if item.kind is Kind.SUCCESS]


def retry(rig: Rig) -> list[str]:
    return verbs.retry(rig.store, SECRET, rig.records())


def test_a_task_that_was_given_up_unsent_and_asked_for_again_does_not_keep_its_slot(
    rig: Rig, simulator: Simulator
) -> None:
    resize(rig.store, 2)
    jobs = rig.queue(row("Look. [[sim: latency=0.1]]"), row("Look again. [[sim: latency=0.1]]"))
    claimed = rig.store.claim(2, 3600, "", "", 60)  # by a worker that then died
    assert len(claimed.jobs) == 2
    assert verbs.cancel(rig.store, rig.records()) == ["sent"] * 2
    assert retry(rig) == ["moved"] * 2
    rig.run(lambda: rush(rig) or {one.state for one in rig.records()} == {State.COMPLETED})
    assert rig.store.window()[1] == 0
    assert {one.attempt for one in rig.records()} == {2}
    assert not set(jobs) & set(agree(rig, simulator)), "what was given up was never sent"


def test_a_task_that_was_given_up_unclear_and_shows_itself_keeps_its_slot(
    rig: Rig, simulator: Simulator
) -> None:
    resize(rig.store, 1)
    (job,) = rig.queue(row("Look. [[sim: ack=lost latency=2]]"))
    steps.submit(rig.context)
    assert verbs.cancel(rig.store, rig.records()) == ["sent"]
    assert retry(rig) == ["moved"]
    rig.run(lambda: rush(rig) or rig.store.window()[1] == 0)
    assert rig.only().state is State.COMPLETED, "silence took six times the time that decides"
    assert list(agree(rig, simulator)) == [job], "its own result came, so nothing was bought again"


def rush(rig: Rig) -> None:
    """Bring every poll forward."""
    due = rig.store.keys("due")
    for member in rig.store.client.zrange(due, 0, -1):
        rig.store.client.zadd(due, {member: 0}, xx=True)


def test_only_the_missing_results_of_a_partial_job_are_bought(
    rig: Rig, simulator: Simulator
) -> None:
    simulator.change(directives="errors=3")
    rig.queue(row(numberResults=4))
    rig.run()
    assert rig.only().state is State.PARTIAL
    first = shown(rig)
    simulator.change(directives="")
    assert retry(rig) == ["moved"]
    rig.run()
    assert (rig.only().state, rig.only().kept) == (State.COMPLETED, (1, 2))
    assert len(shown(rig)) == 4
    assert shown(rig)[:1] == first
    truth = agree(rig, simulator)
    assert [len(task["results"]) for task in truth.values()] == [4, 3]


def test_a_rest_without_clear_answers_is_sent_again_with_the_same_bytes(
    rig: Rig, simulator: Simulator
) -> None:
    simulator.change(directives="errors=1")
    rig.queue(row(numberResults=2))
    rig.run()
    simulator.change(directives="drop=before*1")
    retry(rig)
    rig.run()
    assert (rig.only().state, rig.only().attempts[1].expected) == (State.COMPLETED, 1)
    agree(rig, simulator)


def test_a_rest_that_fails_for_good_leaves_what_was_bought(rig: Rig, simulator: Simulator) -> None:
    simulator.change(directives="errors=2")
    rig.queue(row(numberResults=4))
    rig.run()
    simulator.change(directives="fail=contentPolicyViolation")
    retry(rig)
    rig.run()
    assert (rig.only().state, rig.only().error_code) == (State.PARTIAL, "contentPolicyViolation")
    assert len(shown(rig)) == 2
    agree(rig, simulator)


def test_a_cancelled_task_is_collected_costed_and_not_bought_again_by_a_retry(
    rig: Rig, simulator: Simulator
) -> None:
    simulator.change(latency="0.3")
    try:
        rig.queue(row())
        steps.submit(rig.context)
        assert verbs.cancel(rig.store, rig.records()) == ["sent"]
        rig.run(until=lambda: rig.store.window()[1] == 0)
    finally:
        simulator.change(latency="0")
    one = rig.only()
    assert (one.state, one.flags) == (State.CANCELLED, {"late"})
    assert one.cost > 0
    assert retry(rig) == ["completed"]
    rig.run()
    assert len(agree(rig, simulator)) == 1


def test_a_retried_job_whose_first_task_comes_late_pays_both_and_counts_one(
    rig: Rig, simulator: Simulator
) -> None:
    simulator.change(latency="0.3")
    try:
        rig.queue(row())
        steps.submit(rig.context)
        assert verbs.cancel(rig.store, rig.records()) == ["sent"]
        assert retry(rig) == ["moved"]
        rig.run()
        rig.run(until=lambda: rig.store.window()[1] == 0)
    finally:
        simulator.change(latency="0")
    assert rig.only().state is State.COMPLETED
    truth = agree(rig, simulator)
    assert rig.only().cost == sum(task["charged_nano"] for task in truth.values())
    assert len(shown(rig)) == 1


def test_a_cancelling_that_the_command_left_is_completed_by_the_sweep(rig: Rig) -> None:
    jobs = rig.queue(*[row() for _ in range(150)])
    verbs.cancel_batch(rig.store, "batch_batch")
    rig.run()
    assert {one.state for one in rig.records()} == {State.CANCELLED}
    assert len(endings(rig.store)) == len(jobs)


def test_a_cancelled_task_that_is_not_found_gives_back_its_slot_and_is_still_looked_for(
    store: Store, simulator: Simulator
) -> None:
    rig = Rig(store, simulator.v1, REELQUEUE_RESOLVE_AFTER=0.1)
    (job,) = rig.queue(row("[[sim: drop=before]]"))
    rig.run(until=lambda: rig.only().state is State.RESOLVING)
    assert verbs.cancel(store, rig.records()) == ["sent"]
    rig.run(until=lambda: rig.store.window()[1] == 0)
    assert store.client.zscore(store.keys("due"), job) is not None
    agree(rig, simulator, unbought=[job])


def test_a_parked_task_is_bought_once_when_the_user_has_it_sent_again(
    store: Store, simulator: Simulator
) -> None:
    rig = Rig(store, simulator.v1, REELQUEUE_RESOLVE_AFTER=0.1)
    (job,) = rig.queue(row("[[sim: drop=before*1]]"))
    store.client.hset(store.keys("job", job), "po", steps.RESENDS)  # has been passed over before
    rig.run(until=lambda: "parked" in rig.only().flags)
    assert verbs.unpark(store, rig.records()) == ["moved"]
    rig.run()
    assert (rig.only().state, rig.only().task_uuid) == (State.COMPLETED, job)
    assert len(agree(rig, simulator)) == 1
