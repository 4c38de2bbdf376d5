"""Polling the simulator: results joined, attempts made, and nothing believed that is no news."""

from typing import Any

import pytest
from core_driver import Rig, agree, endings, row
from simulator_driver import Simulator, wait_until

from tasks import reading_results, steps
from tasks.job import ENDED, State
from tasks.store import Store

pytestmark = pytest.mark.one_store


@pytest.fixture
def rig(store: Store, simulator: Simulator) -> Rig:
    return Rig(store, simulator.v1)


def told(*directives: str, **fields: object) -> dict[str, Any]:
    return row(f"Look. [[sim: {' '.join(directives)}]]", **fields)


def test_a_retryable_failure_makes_a_second_attempt_under_its_own_uuid(
    rig: Rig, simulator: Simulator
) -> None:
    (job,) = rig.queue(told("fail=timeoutProvider*1"))
    rig.run()
    one = rig.only()
    assert (one.state, one.attempt, one.winner) == (State.COMPLETED, 2, 2)
    assert one.attempts[1].task_uuid != job
    assert len(agree(rig, simulator)) == 2


def test_a_failure_for_good_makes_no_further_attempt(rig: Rig, simulator: Simulator) -> None:
    rig.queue(told("fail=contentPolicyViolation"))
    rig.run()
    assert (rig.only().state, rig.only().attempt) == (State.FAILED, 1)
    assert reading_results.failures(rig.store, rig.jobs)[0][0] == "contentPolicyViolation"
    agree(rig, simulator)


def test_after_the_last_attempt_the_job_has_failed(rig: Rig, simulator: Simulator) -> None:
    rig.queue(told("fail=providerError"))
    rig.run()
    assert (rig.only().state, rig.only().attempt) == (State.FAILED, 3)
    assert len(agree(rig, simulator)) == 3


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("shape", ["nested", "flat", "nostatus", "getResponse", "empty"])
def test_errors_and_results_are_read_in_every_shape(
    rig: Rig, simulator: Simulator, shape: str, status: int
) -> None:
    rig.queue(told(f"poll={shape}", "errors=1", f"status={status}", "latency=0.1", numberResults=2))
    rig.run()
    assert rig.only().state is State.PARTIAL
    assert [len(rig.texts(job, 1)) for job in rig.jobs] == [1]
    agree(rig, simulator)


def test_some_of_the_results_make_it_partial(rig: Rig, simulator: Simulator) -> None:
    (job,) = rig.queue(told("errors=1", numberResults=3))
    rig.run()
    assert (rig.only().state, len(rig.texts(job, 1))) == (State.PARTIAL, 2)
    agree(rig, simulator)


def test_one_error_for_all_results_fails_the_attempt(rig: Rig, simulator: Simulator) -> None:
    rig.queue(told("fail=timeoutProvider*1", "one_error", numberResults=3))
    rig.run()
    assert (rig.only().state, rig.only().attempt) == (State.COMPLETED, 2)
    agree(rig, simulator)


def test_four_alike_are_four(rig: Rig, simulator: Simulator) -> None:
    (job,) = rig.queue(told("identical", numberResults=4))
    rig.run()
    assert (rig.only().state, len(rig.texts(job, 1))) == (State.COMPLETED, 4)
    agree(rig, simulator)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_results_that_come_one_after_another_are_all_kept(
    rig: Rig, simulator: Simulator, width: int
) -> None:
    (job,) = rig.queue(told("latency=0.3", numberResults=width))
    rig.run()
    assert len(rig.texts(job, 1)) == width
    agree(rig, simulator)


def test_many_jobs_are_polled_in_one_request(rig: Rig, simulator: Simulator) -> None:
    rig.queue(*[row(f"Video {n}?") for n in range(8)])
    rig.turn()
    rig.run()
    assert simulator.totals()["polls"] <= 3
    agree(rig, simulator)


def test_polls_of_one_uuid_only_are_found_by_halving(rig: Rig, simulator: Simulator) -> None:
    rig.queue(*[told("latency=0.1", f"n{n}") for n in range(5)])
    rig.turn()
    simulator.change(max_tasks=1)
    rig.run()
    assert {one.state for one in rig.records()} == {State.COMPLETED}
    agree(rig, simulator)


def test_a_job_expires_only_by_a_poll_that_was_answered_after_the_deadline(
    store: Store, simulator: Simulator
) -> None:
    rig = Rig(store, simulator.v1, REELQUEUE_DEADLINE=0.4)
    rig.queue(told("latency=60"))
    rig.turn()
    simulator.change(outage="500")
    for _ in range(20):
        due_now(rig)
        rig.turn()
    assert rig.only().state is State.PROCESSING
    simulator.change(outage=None)
    due_now(rig)
    wait_until(lambda: past(rig, 400))
    rig.turn()
    assert rig.only().state is State.EXPIRED
    assert rig.store.window()[1] == 1


def test_a_claim_of_a_worker_that_was_away_past_the_deadline_is_sent_after_all(
    store: Store, simulator: Simulator
) -> None:
    rig = Rig(store, simulator.v1, REELQUEUE_DEADLINE=1)
    (job,) = rig.queue(told("latency=0.1"))
    assert store.claim(1, 60, "", "", 60).jobs  # and nothing was sent
    wait_until(lambda: past(rig, 1000))
    store.client.zadd(store.keys("leases"), {job: 0})
    rig.run(lambda: due_now(rig) or rig.only().state in ENDED)
    assert (rig.only().state, rig.only().resends) == (State.COMPLETED, 1)
    agree(rig, simulator)


def test_a_success_after_the_deadline_amends_the_expiry(store: Store, simulator: Simulator) -> None:
    rig = Rig(store, simulator.v1, REELQUEUE_DEADLINE=0.1)
    rig.queue(told("latency=1"))
    steps.submit(rig.context)
    wait_until(lambda: past(rig, 100))
    due_now(rig)
    rig.turn()
    assert rig.only().state is State.EXPIRED
    rig.run(lambda: due_now(rig) or rig.only().state is State.COMPLETED)
    assert "late" in rig.only().flags
    agree(rig, simulator)


def test_a_job_past_its_deadline_with_some_results_is_looked_after_for_the_rest(
    store: Store, simulator: Simulator
) -> None:
    rig = Rig(store, simulator.v1, REELQUEUE_DEADLINE=0.1)
    (job,) = rig.queue(told("latency=3", numberResults=2))
    steps.submit(rig.context)
    wait_until(lambda: any(i.raw.get("text") for i in rig.context.provider.poll([job]).items))
    due_now(rig)
    rig.turn()
    assert (rig.only().state, len(rig.texts(job, 1))) == (State.PARTIAL, 1)
    assert rig.store.window()[1] == 1, "the provider works on it yet"
    rig.run(lambda: due_now(rig) or len(rig.texts(job, 1)) == 2)
    assert (rig.only().state, rig.store.window()[1]) == (State.COMPLETED, 0)
    assert "late" in rig.only().flags
    agree(rig, simulator)


def test_an_expired_task_is_polled_rarely(store: Store, simulator: Simulator) -> None:
    rig = Rig(store, simulator.v1, REELQUEUE_DEADLINE=0.1)
    (job,) = rig.queue(told("latency=60"))
    rig.run()
    for _ in range(3):
        due_now(rig)
        rig.turn()
        at = rig.store.client.zscore(rig.store.keys("due"), job)
        assert at / 1000 - rig.store.client.time()[0] > 500


@pytest.mark.parametrize("unknown", ["empty", "taskNotFound"])
def test_a_task_that_is_certainly_not_there_is_sent_again_under_its_uuid(
    rig: Rig, simulator: Simulator, unknown: str
) -> None:
    simulator.change(unknown=unknown, remember="never")
    (job,) = rig.queue(told("drop=before*2"))
    rig.run()
    assert (rig.only().state, rig.only().attempt, rig.only().resends) == (State.COMPLETED, 1, 2)
    assert agree(rig, simulator)[job]["submissions"] == 3


@pytest.mark.parametrize("outage", ["500", "html", "refuse"])
def test_an_outage_while_a_task_is_looked_for_is_no_silence(
    rig: Rig, simulator: Simulator, outage: str
) -> None:
    simulator.change(remember="never")
    rig.queue(told("ack=lost", "latency=1.0", "poll=empty"))
    steps.submit(rig.context)
    simulator.change(outage=outage)
    wait_until(lambda: past(rig, 600))
    for _ in range(3):
        due_now(rig)
        rig.turn()
    assert (rig.only().state, rig.only().empties) == (State.RESOLVING, 0)
    wait_until(lambda: past(rig, 1100))
    simulator.change(outage=None)
    due_now(rig)
    rig.run()
    assert rig.only().state is State.COMPLETED
    agree(rig, simulator)


def due_now(rig: Rig) -> None:
    """Let what is due later be due now: how long a hold lasts is not what is tested."""
    key = rig.store.keys("due")
    for member in rig.store.client.zrange(key, 0, -1):
        rig.store.client.zadd(key, {member: 0})


def past(rig: Rig, milliseconds: int) -> bool:
    seconds, micros = rig.store.client.time()
    submitted = rig.only().submitted_at or 0
    return bool(seconds * 1000 + micros / 1000 > submitted + milliseconds)


def test_every_ending_stands_in_the_outbox(rig: Rig, simulator: Simulator) -> None:
    rig.queue(
        told("fail=timeoutProvider*1"),
        told("fail=promptBlocked"),
        told("errors=1", numberResults=2),
    )
    rig.run()
    assert all(one.state in ENDED for one in rig.records())
    assert len(endings(rig.store)) == 3
    agree(rig, simulator)


@pytest.mark.parametrize("status", [None, 200, 500])
def test_a_provider_that_takes_one_task_in_a_poll_is_found_out(
    rig: Rig, simulator: Simulator, status: int | None
) -> None:
    simulator.change(max_polls=1, error_status=status)
    rig.queue(*[row(f"Look {n}. [[sim: latency=0.3]]") for n in range(5)])
    rig.run()
    assert {one.state for one in rig.records()} == {State.COMPLETED}
    assert rig.store.limits.found()["uuids"] == "1"
    agree(rig, simulator)


def test_a_poll_that_the_server_fails_for_everybody_is_tried_for_one_and_no_limit(
    rig: Rig, simulator: Simulator
) -> None:
    rig.queue(*[row(f"Look {n}. [[sim: latency=0.3]]") for n in range(5)])
    steps.submit(rig.context)
    before = simulator.totals()["posts"]
    simulator.change(outage="500", outage_scope="polls")
    rig.run(lambda: simulator.totals()["posts"] > before, seconds=5)
    assert simulator.totals()["posts"] == before + 2
    assert rig.store.limits.found() == {}
