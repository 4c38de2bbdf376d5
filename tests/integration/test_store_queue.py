"""Batches: recorded once, claimed fairly, paused, sealed, and never stuck."""

import time

import pytest
from core_driver import audit, bring_to, queue, record, resize, row, take

from tasks import reading
from tasks.errors import StoreRefused
from tasks.job import State
from tasks.marks import SCHEMA
from tasks.store import Store


def batches_of(store: Store, jobs: list[str]) -> list[str]:
    return [record(store, job).batch for job in jobs]


def claimed_one_by_one(store: Store, count: int) -> list[str]:
    resize(store, 1000)
    return batches_of(store, [store.claim(1, 60, "", "", 60).jobs[0].id for _ in range(count)])


def test_a_row_recorded_twice_is_one_job(store: Store) -> None:
    batch = store.open_batch("b", "batch_b", 1)
    entry = ("job", 1, 1, "digest", 7, b"")
    assert store.enqueue(batch, [entry, entry]) == ["added", "known"]
    assert store.enqueue(batch, [("job", 1, 1, "other", 7, b"")]) == ["differs"]
    assert store.seal(batch) == 1


def test_a_sealed_batch_takes_no_rows_and_says_so(store: Store) -> None:
    batch = store.open_batch("b", "batch_b", 1)
    store.seal(batch)
    with pytest.raises(StoreRefused, match="submit it again"):
        store.enqueue(batch, [("job", 1, 1, "digest", 7, b"")])


def test_a_batch_is_finished_only_when_it_is_sealed_and_opens_again_with_more_rows(
    store: Store,
) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, State.COMPLETED)
    done = reading.batch_named(store, "batch")
    assert done
    assert done.done
    (more,) = queue(store, row())
    again = reading.batch_named(store, "batch")
    assert again
    assert (again.id, again.done, again.open, again.total) == (done.id, None, 1, 2)
    assert [j.id for j in take(store)[1]] == [more]
    audit(store, [job, more])


def test_batches_take_turns_and_a_higher_priority_takes_more(store: Store) -> None:
    queue(store, *[row() for _ in range(20)], name="plain")
    queue(store, *[row() for _ in range(20)], name="urgent", priority=3)
    order = claimed_one_by_one(store, 16)
    assert (order.count("batch_urgent"), order.count("batch_plain")) == (12, 4)


def test_a_batch_that_was_empty_has_saved_no_turns(store: Store) -> None:
    queue(store, row(), name="early")
    queue(store, *[row() for _ in range(40)], name="busy")
    claimed_one_by_one(store, 30)
    queue(store, *[row() for _ in range(20)], name="early")
    assert claimed_one_by_one(store, 10).count("batch_early") in {5, 6}


def test_a_pause_costs_a_batch_no_turns_and_gains_it_none(store: Store) -> None:
    queue(store, *[row() for _ in range(40)], name="one")
    queue(store, *[row() for _ in range(40)], name="two")
    claimed_one_by_one(store, 10)
    store.pause("batch_one", "why", 0.01)
    assert set(claimed_one_by_one(store, 10)) == {"batch_two"}
    time.sleep(0.02)
    assert store.sweep()[3] == 1
    assert claimed_one_by_one(store, 10).count("batch_one") in {5, 6}


def test_a_paused_queue_hands_out_nothing_until_its_probe(store: Store) -> None:
    queue(store, row())
    store.pause("*", "unauthorized: no", 0.05)
    assert store.paused() == {"*": "unauthorized: no"}
    assert store.outlook().claimable == 0
    assert take(store)[1] == ()
    time.sleep(0.06)
    assert store.outlook().overdue
    store.sweep()
    assert len(take(store)[1]) == 1


def test_a_shorter_pause_does_not_end_a_longer_one(store: Store) -> None:
    queue(store, row())
    store.pause("*", "the user", 3600)
    store.pause("*", "a refusal", 0)
    store.sweep()
    assert take(store)[1] == ()


def test_a_job_put_back_into_a_paused_batch_is_claimed_after_the_pause(store: Store) -> None:
    (job,) = queue(store, row())
    token, _ = take(store)
    store.pause("batch_batch", "no credit", 0.01)
    with store.moves() as moves:
        moves.refuse(job, token, 0, "insufficientCredits", "")
    assert take(store)[1] == ()
    audit(store, [job])
    time.sleep(0.02)
    store.sweep()
    assert [j.id for j in take(store)[1]] == [job]


def test_no_more_is_claimed_than_the_window_has_room_for(store: Store) -> None:
    queue(store, *[row() for _ in range(20)])
    assert len(take(store)[1]) == 8
    assert take(store)[1] == ()
    resize(store, 10)
    assert len(take(store)[1]) == 2


def test_claiming_stops_while_endings_are_not_settled(store: Store) -> None:
    queue(store, row())
    store.client.xadd(store.keys("ends"), {"job": "old"}, id="1-1")
    assert take(store)[1] == ()


def test_a_store_that_lost_everything_hands_out_nothing_and_breaks_nothing(store: Store) -> None:
    store.client.unlink(store.keys("meta"))
    queue(store, row())
    assert take(store)[1] == ()
    assert store.outlook().claimable == 0


def test_the_nudge_list_never_grows(store: Store) -> None:
    for _ in range(5):
        store.nudge()
        queue(store, row())
    assert store.client.llen(store.keys("nudge")) == 1


def test_a_slot_past_its_bound_is_taken_back(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.PROCESSING)
    store.client.zadd(store.keys("slots"), {job: 1})
    assert store.sweep()[2] == 1
    assert store.window()[1] == 0
    audit(store, [job])


def test_a_task_whose_slot_passed_its_bound_is_asked_for_where_nobody_does(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.PROCESSING)
    store.client.zadd(store.keys("slots"), {job: 1})
    store.client.delete(store.keys("due"))  # by somebody's hand
    assert store.sweep()[2] == 1
    assert [due.job.id for due in store.claim_due(9)[1]] == [job]


def test_a_batch_that_somebody_deleted_stops_no_other(store: Store) -> None:
    queue(store, row(), name="gone")
    (job,) = queue(store, row(), name="other")
    store.client.delete(store.keys("batch", "batch_gone"))
    assert [one.id for one in take(store)[1]] == [job]
    assert store.outlook().claimable == 0, "the workers would look for ever"


def test_another_providers_store_is_refused(store: Store) -> None:
    with pytest.raises(StoreRefused, match="simulated"):
        store.marks.check("runware https://api.runware.ai/v1", 8)


def test_a_newer_schema_is_refused(store: Store) -> None:
    store.client.hset(store.keys("meta"), "schema", SCHEMA + 1)
    with pytest.raises(StoreRefused, match=f"schema {SCHEMA + 1}"):
        store.marks.check("simulated", 8)


def test_a_finished_batch_ended_when_it_did_where_nothing_is_added_to_it(store: Store) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, State.COMPLETED)
    before = reading.batch_named(store, "batch")
    time.sleep(0.01)
    batch = store.open_batch("batch", "batch_batch", 1)
    while_open = reading.batch_named(store, "batch")
    store.seal(batch)
    assert before
    assert before.done
    assert while_open
    assert while_open.done is None
    assert reading.batch_named(store, "batch") == before


def test_a_finished_batch_ends_anew_with_the_rows_that_were_added_to_it(store: Store) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, State.COMPLETED)
    before = reading.batch_named(store, "batch")
    time.sleep(0.01)
    (more,) = queue(store, row(numberResults=2))
    bring_to(store, more, State.COMPLETED)
    after = reading.batch_named(store, "batch")
    assert before
    assert before.done
    assert after
    assert after.done
    assert after.done > before.done
    audit(store, [job, more])
