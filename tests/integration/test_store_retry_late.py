"""The user asks again, and what was bought before comes late: it is not bought once more."""

import pytest
from core_driver import (
    SECRET,
    asked,
    audit,
    bring_to,
    error,
    queue,
    record,
    row,
    success,
    take,
    verdict,
)
from retry_driver import partial, retried, sent_again, texts

from tasks import ids, verbs
from tasks.job import State
from tasks.store import Store


def test_late_results_of_the_first_task_end_a_retried_job_and_both_are_paid(store: Store) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, State.EXPIRED)
    retried(store, job)
    _, uuid = sent_again(store, job)
    store.deliver(job, [success(job, "first"), success(job, "too")])
    store.deliver(job, [success(uuid, "second", 0.25), success(uuid, "one", 0.25)])
    found = record(store, job)
    assert (found.state, found.kept, found.cost) == (State.COMPLETED, (1,), 1_500_000_000)
    assert "superseded" in found.flags
    assert texts(store, job) == ["first", "too"]
    audit(store, [job])


def test_both_tasks_of_a_retried_job_may_be_due_for_a_poll_at_once(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.CANCELLED)
    retried(store, job)
    _, uuid = sent_again(store, job)
    store.client.zadd(store.keys("due"), {job: 0, uuid: 0})
    due = store.claim_due(9)[1]
    assert {(one.task_uuid, one.attempt) for one in due} == {(job, 1), (uuid, 2)}
    assert due[0].job == due[1].job


def test_late_results_while_a_retried_job_waits_leave_nothing_to_buy(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.EXPIRED)
    retried(store, job)
    store.deliver(job, [success(job)])
    assert record(store, job).state is State.COMPLETED
    assert take(store)[1] == ()
    audit(store, [job])


def test_a_job_whose_results_have_all_come_completes_and_buys_nothing(store: Store) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, State.CANCELLED)
    store.deliver(job, [success(job), success(job, "2")])
    assert record(store, job).state is State.CANCELLED
    assert retried(store, job) == "completed"
    assert record(store, job).state is State.COMPLETED
    assert take(store)[1] == ()
    ending = store.client.xrevrange(store.keys("ends"), count=1)[0][1]
    assert ending[job.encode()].startswith(b"completed|")


def test_some_late_results_of_a_cancelled_job_are_not_bought_again(store: Store) -> None:
    (job,) = queue(store, row(numberResults=3))
    bring_to(store, job, State.CANCELLED)
    ask = asked(store, job)
    with store.moves() as moves:
        told = verdict(success(job, "late"), success(job, "too"), error(job), final=True)
        moves.join(ask, 0, 60, "", told)
    retried(store, job)
    assert take(store)[1][0].lacking == 1
    assert texts(store, job) == ["late", "too"]


def test_late_results_of_the_first_task_complete_a_partial_job_without_the_rest(
    store: Store,
) -> None:
    job = partial(store)
    retried(store, job)
    _, uuid = sent_again(store, job)
    ask, told = asked(store, job, 1), [success(job, str(n)) for n in range(4)]
    with store.moves() as moves:
        moves.join(ask, 0, 60, "", verdict(*told, final=True))
    store.deliver(job, [success(uuid, "new")])
    found = record(store, job)
    assert (found.state, found.kept) == (State.COMPLETED, (1,))
    assert "superseded" in found.flags
    assert texts(store, job) == ["0", "1", "2", "3"]
    audit(store, [job])


@pytest.mark.parametrize("by_callback", [True, False])
def test_what_an_attempt_for_the_rest_met_is_no_result_once_the_rest_has_come(
    store: Store, *, by_callback: bool
) -> None:
    job = partial(store)
    retried(store, job)
    token, uuid = sent_again(store, job)
    with store.moves() as moves:
        moves.acknowledge(job, token, 60, "")
    if by_callback:
        store.deliver(job, [error(uuid)])
    else:
        with store.moves() as moves:
            told = verdict(error(uuid, "unsafe"), final=True)
            moves.fail(asked(store, job), ("unsafe", "no"), told)
        assert texts(store, job) == ["0", "1", "2", "unsafe"]
    ask, all_of_it = asked(store, job, 1), [success(job, str(n)) for n in range(4)]
    with store.moves() as moves:
        moves.join(ask, 0, 60, "", verdict(*all_of_it, final=True))
    assert record(store, job).state is State.COMPLETED
    assert texts(store, job) == ["0", "1", "2", "3"]
    audit(store, [job])


def test_some_late_results_are_shown_although_the_job_stays_given_up(store: Store) -> None:
    (job,) = queue(store, row(numberResults=3))
    bring_to(store, job, State.CANCELLED)
    ask = asked(store, job)
    with store.moves() as moves:
        moves.join(ask, 0, 60, "", verdict(success(job, "late"), error(job), final=True))
    found = record(store, job)
    assert (found.state, found.kept, found.flags) == (State.CANCELLED, (1,), {"late"})
    assert texts(store, job) == ["late", "providerError"]


def test_an_answer_meant_for_the_given_up_post_frees_its_slot_after_a_retry(store: Store) -> None:
    (job,) = queue(store, row())
    token, _ = take(store)
    verbs.cancel(store, [record(store, job)])
    retried(store, job)
    assert store.window()[1] == 1  # it may be at the provider for all we know
    with store.moves() as moves:
        moves.refuse(job, token, 0, "rateLimit", "")
    assert store.window()[1] == 0
    assert record(store, job).state is State.QUEUED
    audit(store, [job])


def test_a_task_told_of_while_its_job_was_given_up_unsent_is_looked_for_not_bought(
    store: Store,
) -> None:
    (job,) = queue(store, row(numberResults=2))
    verbs.cancel(store, [record(store, job)])
    store.deliver(job, [success(job)])
    retried(store, job)
    assert take(store)[1] == ()
    assert record(store, job).state is State.PROCESSING
    audit(store, [job])


def test_a_task_told_of_is_looked_for_although_its_job_is_given_up_a_second_time(
    store: Store,
) -> None:
    (job,) = queue(store, row(numberResults=2))
    verbs.cancel(store, [record(store, job)])
    store.deliver(job, [success(job)])
    retried(store, job)
    assert verbs.cancel(store, [record(store, job)]) == ["sent"]
    assert [due.task_uuid for due in store.claim_due(9)[1]] == [job]
    retried(store, job)  # and holds no slot while it waits


def test_a_task_that_failed_though_we_know_of_no_post_is_not_sent_again(store: Store) -> None:
    (job,) = queue(store, row())
    verbs.cancel(store, [record(store, job)])
    ask = asked(store, job)
    with store.moves() as moves:
        moves.fail(ask, ("unsafe", "no"), verdict(error(job, "unsafe"), final=True))
    retried(store, job)
    assert sent_again(store, job)[1] == ids.attempt_uuid(SECRET, job, 2)


def test_what_an_earlier_task_brought_meanwhile_is_not_bought_again(store: Store) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, State.EXPIRED)
    retried(store, job)
    _, uuid = sent_again(store, job)
    first, second = asked(store, job, 1), asked(store, job)
    with store.moves() as moves:
        moves.join(first, 0, 60, "", verdict(success(job, "late"), error(job), final=True))
        moves.fail(second, ("unsafe", "no"), verdict(error(uuid, "unsafe"), final=True))
    assert record(store, job).state is State.FAILED
    retried(store, job)
    assert take(store)[1][0].lacking == 1
    assert texts(store, job) == ["late"]
