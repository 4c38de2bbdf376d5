"""The user's word over batches: given up durably, held until resumed, served as often as told."""

import pytest
from core_driver import SECRET, asked, audit, bring_to, contents, queue, record, row, success, take

from tasks import reading, reading_results, verbs
from tasks.errors import StoreRefused
from tasks.job import State
from tasks.reading import Batch
from tasks.store import Store
from tasks.verbs import Cancelling

BATCH = "batch_batch"


def batch(store: Store) -> Batch:
    found = reading.batch(store, BATCH)
    assert found
    return found


def cancelled_whole(store: Store) -> Cancelling:
    while True:
        progress = verbs.cancel_pass(store)
        assert progress
        if progress.over:
            return progress


def claimed_one_by_one(store: Store, count: int) -> list[str]:
    store.client.hset(store.keys("meta"), "window", 1000)
    found = [store.claim(1, 60, "", "", 60).jobs[0].id for _ in range(count)]
    return [record(store, job).batch for job in found]


@pytest.mark.parametrize("state", [State.SUBMITTING, State.RESOLVING, State.PROCESSING])
def test_a_given_up_task_keeps_its_slot_and_is_polled_until_it_is_over(
    store: Store, state: State
) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, state)
    assert verbs.cancel(store, [record(store, job)]) == ["sent"]
    audit(store, [job])
    assert store.window()[1] == 1
    assert store.client.zscore(store.keys("due"), job) is not None
    store.deliver(job, [success(job)])
    found = record(store, job)
    assert (found.state, found.cost, found.flags) == (State.CANCELLED, 500_000_000, {"late"})
    assert [item.raw["text"] for item in reading_results.answers(store, [found])[0]] == ["seen"]
    assert store.window()[1] == 0
    audit(store, [job])


def test_a_parked_job_that_is_given_up_is_still_looked_for(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.RESOLVING)
    store.client.zrem(store.keys("slots"), job)
    assert verbs.cancel(store, [record(store, job)]) == ["sent"]
    store.client.zadd(store.keys("due"), {job: 1})
    assert [due.task_uuid for due in store.claim_due(9)[1]] == [job]


@pytest.mark.parametrize("state", [State.SUBMITTING, State.PROCESSING])
def test_only_a_task_that_may_never_have_arrived_gives_back_its_slot_for_silence(
    store: Store, state: State
) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, state)
    verbs.cancel(store, [record(store, job)])
    assert (record(store, job).unclear_since is None) is (state is State.PROCESSING)


def test_a_task_without_a_slot_is_looked_for_until_its_time_is_over(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.RESOLVING)
    verbs.cancel(store, [record(store, job)])
    ask = asked(store, job)
    with store.moves() as moves:
        moves.snooze(ask, 0, 0, "absent")
    assert store.window()[1] == 0
    assert [due.task_uuid for due in store.claim_due(9)[1]] == [job]
    store.client.hset(store.keys("job", job), "cu", 1)
    store.client.zadd(store.keys("due"), {job: 1})
    sent, (due,) = store.claim_due(9)  # once more: all may have been away until now
    with store.moves() as moves:
        moves.snooze(due, sent, 0, "empty")
    assert store.claim_due(9)[1] == []


def test_a_given_up_task_that_is_seen_running_is_no_longer_unclear(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.RESOLVING)
    verbs.cancel(store, [record(store, job)])
    ask = asked(store, job)
    with store.moves() as moves:
        moves.snooze(ask, 0, 0, "running")
    assert record(store, job).unclear_since is None


def test_a_job_given_up_while_it_waits_is_never_sent(store: Store) -> None:
    job, other = queue(store, row(), row())
    assert verbs.cancel(store, [record(store, job)]) == ["unsent"]
    assert [j.id for j in take(store)[1]] == [other]
    audit(store, [job, other])


def test_what_has_ended_is_left_as_it_is(store: Store) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, State.FAILED)
    before = contents(store)
    assert verbs.cancel(store, [record(store, job)]) == ["ended"]
    assert contents(store) == before


def test_a_batch_is_given_up_a_hundred_at_a_time_and_nothing_of_it_is_sent_from_the_first(
    store: Store,
) -> None:
    jobs = queue(store, *[row() for _ in range(250)])
    take(store, 3)
    verbs.cancel_batch(store, BATCH)
    assert take(store)[1] == ()
    assert batch(store).cancelling
    assert store.outlook().overdue  # the sweep goes on with it
    seen = [verbs.cancel_pass(store), verbs.cancel_pass(store)]
    assert [progress and progress.seen for progress in seen] == [100, 200]
    audit(store, jobs)
    assert batch(store).open == 50
    assert cancelled_whole(store) == Cancelling(BATCH, 250, 250, sent=3, unsent=247, over=True)
    audit(store, jobs)
    assert (batch(store).open, batch(store).cancelled, batch(store).cancelling) == (0, True, False)
    assert not store.outlook().overdue
    assert verbs.cancel_pass(store) is None
    assert not store.client.exists(store.keys("queue", BATCH))


def test_a_batch_that_is_being_given_up_takes_neither_rows_nor_retries(store: Store) -> None:
    job, *_ = jobs = queue(store, *[row() for _ in range(120)])
    verbs.cancel(store, [record(store, job)])
    verbs.cancel_batch(store, BATCH)
    before = contents(store)
    assert verbs.retry(store, SECRET, [record(store, job)]) == ["cancelling"]
    assert contents(store) == before
    with pytest.raises(StoreRefused, match="being cancelled"):
        queue(store, row())
    cancelled_whole(store)
    audit(store, jobs)
    assert batch(store).sealed


def test_what_goes_back_to_the_queue_of_a_batch_that_is_being_given_up_is_not_sent(
    store: Store,
) -> None:
    job, *_ = jobs = queue(store, *[row() for _ in range(150)])
    token = store.claim(1, 60, "", "", 60).token
    verbs.cancel_batch(store, BATCH)
    with store.moves() as moves:
        moves.refuse(job, token, 0, "rateLimit", "")
    assert take(store)[1] == ()
    cancelled_whole(store)
    audit(store, jobs)


def test_a_cancelled_batch_that_gets_more_rows_is_no_longer_cancelled(store: Store) -> None:
    queue(store, row())
    verbs.cancel_batch(store, BATCH)
    cancelled_whole(store)
    (more,) = queue(store, row())
    assert not batch(store).cancelled
    assert [j.id for j in take(store)[1]] == [more]


def test_a_cancelled_batch_goes_on_with_what_is_retried(store: Store) -> None:
    jobs = queue(store, *[row() for _ in range(3)])
    verbs.cancel_batch(store, BATCH)
    cancelled_whole(store)
    verbs.retry(store, SECRET, [record(store, jobs[1])])
    assert not batch(store).cancelled
    assert [j.id for j in take(store)[1]] == [jobs[1]]
    audit(store, jobs)


def test_an_unsealed_batch_that_is_given_up_is_closed(store: Store) -> None:
    store.open_batch("batch", BATCH, 1)
    assert not batch(store).sealed
    verbs.cancel_batch(store, BATCH)
    cancelled_whole(store)
    assert batch(store).sealed
    assert batch(store).done


def test_the_users_pause_has_no_end_and_a_probe_does_not_lift_it(store: Store) -> None:
    (job,) = queue(store, row())
    verbs.hold(store, BATCH, "tonight")
    store.pause(BATCH, "no credit", 0)
    store.sweep()
    assert take(store)[1] == ()
    assert store.outlook().claimable == 0
    assert (batch(store).held, batch(store).paused) == (True, "tonight")
    audit(store, [job])
    assert verbs.resume(store, BATCH)
    assert [j.id for j in take(store)[1]] == [job]
    assert not verbs.resume(store, BATCH)


def test_what_goes_back_to_the_queue_of_a_held_batch_waits(store: Store) -> None:
    (job,) = queue(store, row())
    token, _ = take(store)
    verbs.hold(store, BATCH, "why")
    with store.moves() as moves:
        moves.refuse(job, token, 0, "rateLimit", "")
    queue(store, row())
    assert take(store)[1] == ()


def test_a_pause_of_all_holds_what_comes_later_too(store: Store) -> None:
    queue(store, row(), name="one")
    verbs.hold(store, verbs.EVERYTHING, "the bill")
    queue(store, row(), name="two")
    assert take(store)[1] == ()
    assert store.outlook().claimable == 0
    assert store.paused() == {"*": "the bill"}
    verbs.resume(store, verbs.EVERYTHING)
    assert len(take(store)[1]) == 2


def test_resuming_ends_a_pause_of_the_providers_at_once(store: Store) -> None:
    queue(store, row())
    store.pause("*", "unauthorized", 3600)
    store.pause(BATCH, "no credit", 3600)
    assert verbs.resume(store, "*")
    assert take(store)[1] == ()
    assert verbs.resume(store, BATCH)
    assert len(take(store)[1]) == 1


def test_a_held_batch_neither_saves_nor_loses_turns(store: Store) -> None:
    queue(store, *[row() for _ in range(40)], name="one")
    queue(store, *[row() for _ in range(40)], name="two")
    claimed_one_by_one(store, 10)
    verbs.hold(store, "batch_one", "why")
    assert set(claimed_one_by_one(store, 10)) == {"batch_two"}
    verbs.resume(store, "batch_one")
    assert claimed_one_by_one(store, 10).count("batch_one") in {5, 6}


def test_a_small_batch_behind_a_huge_one_starts_at_once(store: Store) -> None:
    queue(store, *[row() for _ in range(100)], name="huge")
    claimed_one_by_one(store, 50)
    queue(store, row(), row(), name="small")
    assert claimed_one_by_one(store, 4).count("batch_small") == 2


def test_a_priority_counts_from_the_next_claim_on(store: Store) -> None:
    queue(store, *[row() for _ in range(100)], name="plain")
    queue(store, *[row() for _ in range(100)], name="urgent")
    claimed_one_by_one(store, 41)
    assert verbs.prioritize(store, "batch_urgent", 10) == 1
    assert claimed_one_by_one(store, 44).count("batch_urgent") == 40


def test_a_priority_changed_after_a_dear_turn_is_not_waited_for(store: Store) -> None:
    queue(store, *[row() for _ in range(200)], name="quick", priority=100)
    queue(store, *[row() for _ in range(20)], name="slow")
    claimed_one_by_one(store, 2)  # the slow one's turn has put it a hundred of the other's back
    verbs.prioritize(store, "batch_slow", 100)
    assert claimed_one_by_one(store, 10).count("batch_slow") in {4, 5}


def test_a_priority_given_while_a_batch_is_held_counts_after_it(store: Store) -> None:
    queue(store, *[row() for _ in range(200)], name="quick", priority=100)
    queue(store, *[row() for _ in range(20)], name="slow")
    claimed_one_by_one(store, 2)
    verbs.hold(store, "batch_slow", "why")
    verbs.prioritize(store, "batch_slow", 100)
    verbs.resume(store, "batch_slow")
    assert claimed_one_by_one(store, 10).count("batch_slow") in {4, 5}


def test_rows_that_come_after_their_batch_was_cancelled_stay_out_and_are_told_why(
    store: Store,
) -> None:
    opened = store.open_batch("batch", BATCH, 1)
    row_of = ("digest", 7, b"{}")
    assert store.enqueue(opened, [("first", 1, 1, *row_of)]) == ["added"]
    verbs.cancel_batch(store, BATCH)
    cancelled_whole(store)
    with pytest.raises(StoreRefused, match="was cancelled meanwhile; what of it was not queued"):
        store.enqueue(opened, [("second", 2, 1, *row_of)])
    store.open_batch("batch", BATCH, 1)  # the user submits it once more
    assert store.enqueue(opened, [("second", 2, 1, *row_of)]) == ["added"]
