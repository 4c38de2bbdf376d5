"""A store that lost its last writes: what was sent in them is looked for, and not bought again."""

import time
from dataclasses import replace
from typing import Any

import pytest
from core_driver import SECRET, Rig, agree, copied, resize, row, taken_over
from market import age
from simulator_driver import Simulator

from tasks import callers, history, ids, reading, steps, verbs
from tasks.claims import LEASE
from tasks.job import State
from tasks.store import Store
from tasks.wire.request import dumps

pytestmark = pytest.mark.one_store


@pytest.fixture
def rig(store: Store, simulator: Simulator) -> Rig:
    return Rig(store, simulator.v1)


def told(*directives: str) -> dict[str, Any]:
    return row(f"Look. [[sim: {' '.join(directives)}]]")


def emptied(rig: Rig) -> None:
    client = rig.store.client
    client.unlink(*client.scan_iter(f"{rig.store.keys.namespace}:*"))
    rig.store.marks.check("simulated", 8)


@pytest.mark.parametrize("latency", ["0", "0.5"])
@pytest.mark.parametrize("remember", ["forever", "running", "never"])
def test_work_of_a_lost_history_is_found_and_not_sent_again(
    rig: Rig, simulator: Simulator, remember: str, latency: str
) -> None:
    simulator.change(remember=remember)
    rig.queue(told(f"latency={latency}"), told("latency=0.1", "fail=providerError*1"))
    before = copied(rig)
    steps.submit(rig.context)
    taken_over(rig, before)
    assert {one.state for one in rig.records()} == {State.QUEUED}
    rig.run()
    truth = agree(rig, simulator)
    assert {task["submissions"] for task in truth.values()} == {1}
    assert {one.state for one in rig.records()} == {State.COMPLETED}


@pytest.mark.parametrize("remember", ["forever", "running", "never"])
def test_work_of_a_lost_history_that_runs_unseen_is_not_bought_again(
    store: Store, simulator: Simulator, remember: str
) -> None:
    simulator.change(remember=remember)
    rig = Rig(store, simulator.v1, REELQUEUE_RESOLVE_AFTER=2.0)
    rig.queue(told("latency=1.0", "poll=empty"), told("latency=0 late"))
    before = copied(rig)
    steps.submit(rig.context)
    taken_over(rig, before)
    rig.run()
    assert {task["purchases"] for task in agree(rig, simulator).values()} == {1}
    assert {one.state for one in rig.records()} == {State.COMPLETED}


def test_silence_tells_nothing_yet_where_nobody_knows_what_was_claimed(
    store: Store, simulator: Simulator
) -> None:
    rig = Rig(store, simulator.v1, REELQUEUE_RESOLVE_AFTER=3600)
    rig.queue(told("latency=0"))
    taken_over(rig, copied(rig))
    for _ in range(3):
        rig.turn()
    assert rig.only().state is State.QUEUED
    last = reading.history(store, rig.only().id)[-1]
    assert "run unseen" in last.detail
    assert rig.only().submitted_at is None, "shown as sent, though it was not"
    assert simulator.totals()["purchases"] == 0


@pytest.mark.parametrize("latency", ["0", "0.5"])
def test_what_the_user_gives_up_after_a_loss_is_found_and_costed_where_it_was_sent(
    rig: Rig, simulator: Simulator, latency: str
) -> None:
    rig.queue(told(f"latency={latency}"), told("latency=0 never"))
    before = copied(rig)
    resize(rig.store, 1)
    steps.submit(rig.context)
    taken_over(rig, before)
    verbs.cancel(rig.store, [record for record in rig.records() if record])
    assert rig.store.window()[1] == 0, "what was hardly sent holds up others"
    time.sleep(float(latency))
    for _ in range(4):
        age(rig.store, rig.jobs, rig.context.settings.resolve_after)
        rig.turn()
    agree(rig, simulator)
    assert {one.state for one in rig.records()} == {State.CANCELLED}
    assert rig.store.client.zcard(rig.store.keys("due")) == 0


@pytest.mark.parametrize("was_put_back", [False, True])
def test_what_the_user_gives_up_after_a_loss_is_looked_for_until_silence_tells_that_it_was_not_sent(
    rig: Rig, *, was_put_back: bool
) -> None:
    rig.queue(told("latency=0"))
    taken_over(rig, copied(rig))
    if was_put_back:
        steps.submit(rig.context)
    assert rig.only().state is State.QUEUED
    assert verbs.cancel(rig.store, [rig.only()]) == ["sent"], "it may have been"
    for _ in range(2):
        age(rig.store, rig.jobs, rig.context.settings.resolve_after)
        rig.turn()
    assert rig.store.client.zcard(rig.store.keys("due")) == 0
    assert rig.only().state is State.CANCELLED


def test_what_was_never_sent_is_sent_once_it_was_looked_for(rig: Rig, simulator: Simulator) -> None:
    rig.queue(*[told(f"latency=0 {n}") for n in range(5)])
    taken_over(rig, copied(rig))
    simulator.change(outage="500", outage_scope="polls")
    rig.turn()
    assert {one.state for one in rig.records()} == {State.QUEUED}, "sent although nothing was told"
    simulator.change(outage=None, max_polls=2, unknown="taskNotFound")
    rig.run()
    agree(rig, simulator)
    assert {one.state for one in rig.records()} == {State.COMPLETED}


def test_a_refused_key_while_it_is_looked_for_pauses_all(rig: Rig, simulator: Simulator) -> None:
    rig.queue(told())
    taken_over(rig, copied(rig))
    simulator.change(reject_key=True)
    rig.turn()
    assert set(rig.store.paused()) == {"*"}
    simulator.change(reject_key=False)
    rig.run()
    agree(rig, simulator)


def test_a_server_that_was_there_all_along_is_asked_for_nothing(
    rig: Rig, simulator: Simulator
) -> None:
    rig.queue(told("latency=1"))
    steps.submit(rig.context)
    assert simulator.totals()["polls"] == 0


def test_rows_of_a_batch_that_the_store_has_lost_are_looked_for(
    rig: Rig, simulator: Simulator
) -> None:
    simulator.change(remember="never")
    rig.queue(told())
    job = rig.only()
    rig.run()
    kept = rig.store.client.get(rig.store.keys("input", job.id))
    emptied(rig)
    batch = rig.store.open_batch("batch", job.batch, 1, known=True)
    rig.store.share(batch, {"none": b"{}"})
    rig.store.enqueue(batch, [(job.id, 1, 1, "digest", 7, kept)])
    rig.store.seal(batch)
    rig.run()
    assert agree(rig, simulator)[job.id]["submissions"] == 1


def test_a_search_that_takes_as_long_as_its_claim_puts_the_rest_back_unasked(
    rig: Rig, simulator: Simulator
) -> None:
    rig.queue(*[told(f"latency=0 {n}") for n in range(3)])
    taken_over(rig, copied(rig))
    claim = rig.store.claim(3, 3600, "", "", 60)
    spent = replace(claim, taken_at=claim.taken_at - LEASE / 4)
    assert all(job.is_doubtful for job in claim.jobs)
    assert history.unsent(rig.context, spent, claim.jobs) == []
    assert {one.state for one in rig.records()} == {State.QUEUED}
    rig.run()
    assert {task["submissions"] for task in agree(rig, simulator).values()} == {1}


def test_a_poll_that_was_under_way_when_a_backup_was_restored_does_not_outlast_later_ones(
    rig: Rig, simulator: Simulator
) -> None:
    rig.queue(told("latency=0.3"))
    steps.submit(rig.context)
    backup = copied(rig)
    rig.store.client.hset(rig.store.keys("meta"), "polls", 5_000)
    rig.store.client.zadd(rig.store.keys("due"), {rig.only().id: 1})
    sent, (due,) = rig.store.claim_due(9)
    taken_over(rig, backup)
    with rig.store.moves() as moves:
        moves.snooze(due, sent, 0.1, "running")
    rig.run()
    agree(rig, simulator)


def test_a_celery_call_that_comes_again_after_a_loss_is_looked_for(
    rig: Rig, simulator: Simulator
) -> None:
    simulator.change(remember="never")
    body = told()
    job = ids.job_id(SECRET, "celery", "x")
    kept = {"custom_id": "x", "shared": "none", "body": body, "columns": {}}
    call = callers.Call("none", b"{}", job, 1, "digest", 7, dumps(kept), "x")

    def come() -> None:
        callers.record_call(rig.store, "celery-2026-11-28", 10, call, {"id": "x"})

    rig.jobs.append(job)
    come()
    steps.submit(rig.context)
    emptied(rig)
    rig.store.client.hset(rig.store.keys("meta"), "run", "another")
    rig.store.claim_due(9)  # somebody has seen by now that the server is another
    time.sleep(0.01)
    come()
    rig.run()
    assert simulator.truth(f"/{job}")["purchases"] == 1


def test_a_call_whose_batch_is_new_waits_no_longer_than_silence_tells_of_what_the_store_lost(
    store: Store, simulator: Simulator
) -> None:
    simulator.change(remember="never")
    rig, meta = Rig(store, simulator.v1, REELQUEUE_RESOLVE_AFTER=60.0), store.keys("meta")
    store.client.hset(meta, "run", "another")
    store.claim_due(9)  # the server is seen to be another
    states = []
    for name in ("early", "late", "calm"):
        job = ids.job_id(SECRET, "celery", name)
        kept = {"custom_id": name, "shared": "none", "body": told(), "columns": {}}
        call = callers.Call("none", b"{}", job, 1, "digest", 7, dumps(kept), name)
        callers.record_call(store, f"celery-{name}", 10, call, {"id": name})
        steps.submit(rig.context)
        rig.jobs = [job]
        states.append(rig.records()[0].state)
        # as where the store came up long ago; then as where no claim was lost
        since = store.client.hincrby(meta, "doubt", -61_000 if name == "early" else 61_000)
        store.client.hset(meta, "calm", since if name == "late" else 0)
    assert states == [State.QUEUED, State.PROCESSING, State.PROCESSING]
