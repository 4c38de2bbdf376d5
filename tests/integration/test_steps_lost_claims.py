"""Whether the last claim was lost with the store's last writes: what the workers know of it."""

from pathlib import Path
from typing import Any

import pytest
from core_driver import Rig, agree, copied, resize, row, taken_over
from market import age
from simulator_driver import Simulator

from tasks import history, last_claim, payload, tally
from tasks.job import State
from tasks.last_claim import LastClaim
from tasks.posting import Posting
from tasks.store import Store
from tasks.tally import Tally

pytestmark = pytest.mark.one_store


def told(*directives: str) -> dict[str, Any]:
    return row(f"Look. [[sim: {' '.join(directives)}]]")


@pytest.mark.parametrize("remember", ["forever", "running", "never"])
def test_a_backup_of_a_time_when_nobody_worked_tells_nothing_of_what_was_sent_since(
    store: Store, simulator: Simulator, tmp_path: Path, remember: str
) -> None:
    simulator.change(remember=remember)
    rig = Rig(store, simulator.v1, REELQUEUE_RESOLVE_AFTER=2.0)
    resize(store, 1)
    rig.queue(told("latency=0 a"), told("latency=1.0", "poll=empty"))
    store.last_claim = last_claim.of_worker("first", tmp_path, "ns", "1", tmp_path)
    rig.run(until=lambda: simulator.totals()["purchases"] == 1)
    tally.leave(store, "first")
    store.last_claim.close()
    backup = copied(rig)
    Tally().tell(store, "next")
    store.last_claim = last_claim.of_worker("next", tmp_path, "ns", "1", tmp_path)
    rig.run(until=lambda: simulator.totals()["purchases"] == 2)
    taken_over(rig, backup)
    rig.run()
    assert {task["purchases"] for task in agree(rig, simulator).values()} == {1}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("is_old", [True, False])
def test_a_worker_that_outlives_the_store_knows_whether_a_claim_was_lost(
    store: Store, simulator: Simulator, workers: int, *, is_old: bool
) -> None:
    rig = Rig(store, simulator.v1, REELQUEUE_RESOLVE_AFTER=3600)
    resize(store, 1)
    rig.queue(told("latency=0 a"), told("latency=0 b"), told("latency=0 c"))
    store.client.zadd(store.keys("workers"), {f"worker {n}": 1 for n in range(workers)})
    store.last_claim = LastClaim("worker 0")
    rig.run(until=lambda: simulator.totals()["purchases"] == 1)
    backup = copied(rig)
    if is_old:
        rig.run(until=lambda: simulator.totals()["purchases"] == 2)
    taken_over(rig, backup)
    if is_old or workers > 1:
        for _ in range(4):
            rig.turn()
        assert simulator.totals()["purchases"] == 1 + is_old, "sent, though it may run unseen"
    else:
        rig.run()
        agree(rig, simulator)


def test_a_store_that_lost_nothing_the_second_time_had_lost_something_the_first_time(
    store: Store, simulator: Simulator
) -> None:
    rig = Rig(store, simulator.v1, REELQUEUE_RESOLVE_AFTER=3600)
    resize(store, 1)
    rig.queue(told("latency=0 a"), told("latency=0 b"), told("latency=0 c"))
    store.last_claim = LastClaim("worker")
    rig.run(until=lambda: simulator.totals()["purchases"] == 1)
    backup = copied(rig)
    rig.run(until=lambda: simulator.totals()["purchases"] == 2)
    taken_over(rig, backup)
    rig.turn()
    taken_over(rig, copied(rig))
    for _ in range(4):
        age(store, rig.jobs, history.WAIT)
        rig.turn()
    assert simulator.totals()["purchases"] == 2, "sent, though it may run unseen"


@pytest.mark.parametrize("is_old", [True, False])
def test_the_worker_after_one_that_was_killed_knows_it_too(
    store: Store, simulator: Simulator, tmp_path: Path, *, is_old: bool
) -> None:
    rig = Rig(store, simulator.v1, REELQUEUE_RESOLVE_AFTER=3600)
    resize(store, 1)
    rig.queue(told("latency=0 a"), told("latency=0 b"), told("latency=0 c"))
    store.client.zadd(store.keys("workers"), {"killed": 1})
    store.last_claim = last_claim.of_worker("killed", tmp_path, "ns", "1", tmp_path)
    rig.run(until=lambda: simulator.totals()["purchases"] == 1)
    backup = copied(rig)
    if is_old:
        rig.run(until=lambda: simulator.totals()["purchases"] == 2)
    taken_over(rig, backup)
    store.last_claim.close()
    store.client.zadd(store.keys("workers"), {"next": 1})
    store.last_claim = last_claim.of_worker("next", tmp_path, "ns", "1", tmp_path)
    if is_old:
        for _ in range(4):
            rig.turn()
        assert simulator.totals()["purchases"] == 2, "sent, though it may run unseen"
    else:
        rig.run()
        agree(rig, simulator)


@pytest.mark.parametrize("is_restarted", [False, True])
def test_what_was_claimed_before_the_store_came_up_anew_is_not_sent_any_more(
    store: Store, simulator: Simulator, *, is_restarted: bool
) -> None:
    rig = Rig(store, simulator.v1)
    (job,) = rig.queue(told("latency=0"))
    before = copied(rig)
    claim = store.claim(5, 3600, "", "", 60)
    taken_over(rig, copied(rig) if is_restarted else before)
    ((jobs, tasks),) = payload.portions(store, rig.context.keyring, claim.jobs, frozenset(), 10_000)
    applied: list[object] = []
    assert not Posting(rig.context, claim, lambda *answer: applied.append(answer)).send(jobs, tasks)
    assert (applied, simulator.totals()["posts"]) == ([], 0)
    assert [one.state for one in rig.records()] == [State.QUEUED]
    store.last_claim = LastClaim("worker")
    store.last_claim.claimed("0.1")
    rig.run()
    assert agree(rig, simulator)[job]["purchases"] == 1


def test_claims_that_the_store_has_beyond_the_last_one_that_is_known_are_no_calm(
    store: Store, simulator: Simulator
) -> None:
    simulator.change(remember="never")
    rig = Rig(store, simulator.v1, REELQUEUE_RESOLVE_AFTER=3600)
    resize(store, 1)
    rig.queue(told("latency=0 a"), told("latency=0 b"), told("latency=0 c"))
    own = LastClaim("worker")
    rig.run(until=lambda: simulator.totals()["purchases"] == 1)
    own.claimed("0.1")
    rig.run(until=lambda: simulator.totals()["purchases"] == 2)  # another's, that has gone since
    taken_over(rig, copied(rig))
    store.last_claim = own
    for _ in range(4):
        age(store, rig.jobs, history.WAIT)
        rig.turn()
    assert simulator.totals()["purchases"] == 2, "sent, though the other's next may run unseen"


def test_a_start_at_which_nothing_was_claimed_is_no_loss(
    store: Store, simulator: Simulator
) -> None:
    rig = Rig(store, simulator.v1, REELQUEUE_RESOLVE_AFTER=3600)
    resize(store, 1)
    rig.queue(told("latency=0 a"), told("latency=0 b"))
    store.last_claim = LastClaim("worker")
    rig.run(until=lambda: simulator.totals()["purchases"] == 1)
    resize(store, 0)
    for _ in range(2):
        taken_over(rig, copied(rig))
        rig.turn()
    resize(store, 1)
    rig.run()
    assert simulator.totals()["purchases"] == 2
    agree(rig, simulator)
