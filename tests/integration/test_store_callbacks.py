"""Callbacks: kept by membership, joined when whole, and never the reason of a second purchase."""

import pytest
from core_driver import (
    asked,
    audit,
    bring_to,
    contents,
    error,
    queue,
    record,
    row,
    success,
    take,
    verdict,
)

from tasks import quarantine, reading_results, steps
from tasks.job import State
from tasks.store import Store
from tasks.wire.answer import Kind
from tasks.wire.request import dumps

NEXT = "00000000-0000-4000-8000-000000000002"
OTHER = "00000000-0000-4000-8000-000000000003"


def due(store: Store, task_uuid: str) -> bool:
    return task_uuid in [task.task_uuid for task in store.claim_due(9)[1]]


def next_attempt(store: Store, job: str) -> None:
    ask = asked(store, job)
    with store.moves() as moves:
        moves.again(ask, NEXT, 0, ("timeoutProvider", "no"), verdict(error(job), final=True))


def test_a_callback_before_the_ack_completes_the_job_and_the_ack_changes_nothing(
    store: Store,
) -> None:
    (job,) = queue(store, row())
    token, _ = take(store)
    assert store.deliver(job, [success(job)]) == "stored"
    before = contents(store)
    with store.moves() as moves:
        moves.acknowledge(job, token, 60, "")
    assert contents(store) == before
    assert record(store, job).state is State.COMPLETED
    audit(store, [job])


def test_one_of_several_results_before_the_ack_has_the_rest_polled(store: Store) -> None:
    (job,) = queue(store, row(numberResults=2))
    take(store)
    store.deliver(job, [success(job)])
    assert record(store, job).state is State.PROCESSING
    assert due(store, job)
    audit(store, [job])


def test_a_twelvefold_callback_counts_once(store: Store) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, State.PROCESSING)
    told = [store.deliver(job, [success(job)]) for _ in range(12)]
    assert told == ["stored"] + ["known"] * 11
    assert record(store, job).cost == 500_000_000


def test_two_alike_are_decided_by_a_poll(store: Store) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, State.PROCESSING)
    store.client.zadd(store.keys("due"), {job: 9e15})
    store.deliver(job, [success(job)])
    assert not due(store, job)
    store.deliver(job, [success(job)])
    assert due(store, job)


def test_an_error_by_callback_moves_nothing_but_the_next_poll(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.PROCESSING)
    store.client.zadd(store.keys("due"), {job: 9e15})
    store.deliver(job, [error(job)])
    found = record(store, job)
    assert (found.state, found.attempt, found.accused) == (State.PROCESSING, 1, True)
    assert due(store, job)


def test_an_error_without_a_name_accuses_no_later_attempt(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.PROCESSING)
    next_attempt(store, job)
    store.deliver(job, [error(None)])
    assert not record(store, job).accused


def test_a_redelivered_error_does_not_start_the_silence_anew(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.PROCESSING)
    store.deliver(job, [error(job)])
    for _ in range(2):
        ask = asked(store, job)
        with store.moves() as moves:
            moves.snooze(ask, 0, 60, "empty")
        store.deliver(job, [error(job)])
    assert record(store, job).empties == 2


def test_a_task_that_a_callback_told_of_is_not_sent_again(store: Store) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, State.RESOLVING)
    ask = asked(store, job)
    store.deliver(job, [error(job)])
    with store.moves() as moves:
        moves.absent(ask, "not there")  # of a poll from before
    assert record(store, job).state is State.RESOLVING


@pytest.mark.parametrize("kind", ["success", "error"])
def test_a_task_told_of_while_it_waits_to_be_sent_again_is_polled_instead(
    store: Store, kind: str
) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, State.RESOLVING)
    ask = asked(store, job)
    with store.moves() as moves:
        moves.absent(ask, "not there")
    store.deliver(job, [success(job) if kind == "success" else error(job)])
    _, sent = take(store)
    assert sent == ()
    assert record(store, job).state is State.PROCESSING
    assert due(store, job)
    audit(store, [job])


def test_an_error_beside_all_results_is_flagged_and_is_no_result(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.PROCESSING)
    store.deliver(job, [error(job)])
    store.deliver(job, [success(job)])
    store.deliver(job, [error(job, "another")])
    found = record(store, job)
    assert (found.state, found.flags) == (State.COMPLETED, {"contradiction"})
    (items,) = reading_results.results(store, [(found, 1)])
    assert [item.kind for item in items] == [Kind.SUCCESS]


def test_a_surplus_is_kept_flagged_and_costs_nothing(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.PROCESSING)
    store.deliver(job, [success(job, "one", 0.5)])
    assert store.deliver(job, [success(job, "two", 0.25)]) == "stored"
    found = record(store, job)
    assert (found.cost, found.flags) == (500_000_000, {"surplus"})
    (items,) = reading_results.results(store, [(found, 1)])
    assert [item.raw["text"] for item in items] == ["one"]
    (surplus,) = reading_results.surplus(store, record(store, job), 1)
    assert surplus.raw["text"] == "two"
    audit(store, [job])


def test_a_poll_that_names_no_cost_leaves_what_the_callback_named(store: Store) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, State.PROCESSING)
    store.deliver(job, [success(job, "one", 0.5)])
    store.deliver(job, [success(job, "two", 0.25)])
    ask = asked(store, job)
    told = verdict(success(job, "one", None), success(job, "two", None), final=True)
    with store.moves() as moves:
        moves.join(ask, 0, 60, "", told)
    store.deliver(job, [success(job, "three", 0.125)])
    assert record(store, job).cost == 750_000_000


def test_the_poll_decides_the_cost(store: Store) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, State.PROCESSING)
    store.deliver(job, [success(job, "one", 9)])
    ask = asked(store, job)
    told = verdict(success(job, "one", 0.5), success(job, "two", 0.25), final=True)
    with store.moves() as moves:
        moves.join(ask, 0, 60, "", told)
    assert record(store, job).cost == 750_000_000
    audit(store, [job])


def test_a_late_result_of_an_earlier_attempt_ends_the_job_and_the_other_is_superseded(
    store: Store,
) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.PROCESSING)
    next_attempt(store, job)
    take(store)
    store.deliver(job, [success(job, "first", 0.5)])
    store.deliver(job, [success(NEXT, "second", 0.25)])
    found = record(store, job)
    assert (found.state, found.winner, found.cost) == (State.COMPLETED, 1, 750_000_000)
    assert "superseded" in found.flags
    audit(store, [job])


def test_a_job_completed_while_it_waits_for_its_next_attempt_is_not_sent(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.PROCESSING)
    next_attempt(store, job)
    store.deliver(job, [success(job)])
    assert take(store)[1] == ()
    assert store.window()[1] == 0
    audit(store, [job])


def test_results_of_another_job_are_refused_whole(store: Store) -> None:
    job, other = queue(store, row(), row())
    before = contents(store)
    assert store.deliver(job, [success(job), success(other)]) == "foreign"
    assert contents(store) == before


def test_a_task_that_nobody_knows_may_be_of_an_attempt_that_the_store_has_lost(
    store: Store,
) -> None:
    (job,) = queue(store, row())
    before = contents(store)
    assert store.deliver(job, [success(OTHER)]) == "orphan"
    assert contents(store) == before
    assert steps.receive(store, job, dumps({"taskUUID": OTHER, "text": "paid"})) == "orphan"
    assert [one.job for one in quarantine.kept(store)] == [job]


def test_a_flood_of_results_is_refused_before_it_fills_the_store(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.PROCESSING)
    told = [store.deliver(job, [success(job, str(n))]) for n in range(60)]
    assert told[0] == "stored"
    assert told[-1] == "full"
    audit(store, [job])


def test_a_delivery_between_a_poll_and_its_answer_is_polled_again_at_once(store: Store) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, State.RESOLVING)
    sent, (ask,) = store.claim_due(9)
    for _ in range(5):
        store.deliver(job, [error(job)])
    with store.moves() as moves:
        moves.snooze(ask, sent, 60, "running")
    at = store.client.zscore(store.keys("due"), job)
    assert at <= sent + 3_000


def test_a_body_with_more_items_than_any_task_has_is_quarantined(store: Store) -> None:
    (job,) = queue(store, row())
    body = b"[" + b",".join([b'{"status":"error"}'] * 65) + b"]"
    assert steps.receive(store, job, body) == "unreadable"
    assert store.client.hlen(store.keys("quarantine", job)) == 1


def test_a_task_told_of_whose_claim_the_store_has_lost_has_a_deadline_from_then_on(
    store: Store,
) -> None:
    (job,) = queue(store, row(numberResults=2))
    store.deliver(job, [success(job)])
    take(store)
    found = record(store, job)
    assert (found.state, found.submitted_at is None) == (State.PROCESSING, False)
