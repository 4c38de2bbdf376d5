"""The user asks again: what is there is kept, the rest is bought once more, nothing is mixed up."""

import pytest
from core_driver import (
    SECRET,
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
from retry_driver import partial, retried, sent_again, texts

from tasks import ids, reading, reading_results, verbs
from tasks.claims import SUSPECT
from tasks.job import State
from tasks.store import Store
from worker.batch_rows import BatchRows


@pytest.mark.parametrize("state", [State.FAILED, State.EXPIRED, State.CANCELLED])
def test_a_retried_job_is_the_same_job_under_its_next_task_uuid(store: Store, state: State) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, state)
    assert retried(store, job) == "moved"
    found = reading.batch_named(store, "batch")
    assert found
    assert (found.open, found.done) == (1, None)
    _, (claimed,) = take(store)
    assert (claimed.id, claimed.lacking) == (job, None)
    assert claimed.task_uuid == ids.attempt_uuid(SECRET, job, 2)
    found_job = record(store, job)
    assert (found_job.error_code, found_job.ended_at) == ("", None)


def test_a_job_that_was_never_sent_keeps_its_task_uuid(store: Store) -> None:
    (job,) = queue(store, row())
    assert verbs.cancel(store, [record(store, job)]) == ["unsent"]
    retried(store, job)
    assert sent_again(store, job)[1] == job


def test_a_partial_job_asks_for_what_is_missing_and_completes_with_it(store: Store) -> None:
    job = partial(store)
    assert retried(store, job) == "moved"
    assert texts(store, job) == ["0", "1", "2"]  # what it has is shown meanwhile
    token, (claimed,) = take(store)
    assert claimed.lacking == 1
    with store.moves() as moves:
        moves.acknowledge(job, token, 60, "")
    store.deliver(job, [success(claimed.task_uuid, "new", 0.25)])
    found = record(store, job)
    assert (found.state, found.kept, found.cost) == (State.COMPLETED, (1, 2), 1_750_000_000)
    assert texts(store, job) == ["0", "1", "2", "new"]
    audit(store, [job])


def test_a_second_retry_asks_for_what_is_missing_then(store: Store) -> None:
    job = partial(store, good=1)
    retried(store, job)
    _, uuid = sent_again(store, job)
    ask = asked(store, job)
    with store.moves() as moves:
        moves.join(ask, 0, 60, "", verdict(success(uuid, "new"), error(uuid), final=True))
    assert (record(store, job).state, record(store, job).kept) == (State.PARTIAL, (1, 2))
    assert texts(store, job) == ["0", "new", "providerError"]
    retried(store, job)
    _, (claimed,) = take(store)
    assert claimed.lacking == 2
    store.deliver(job, [success(claimed.task_uuid, text) for text in ("a", "b")])
    assert (record(store, job).state, record(store, job).kept) == (State.COMPLETED, (1, 2, 3))


def test_the_next_attempt_for_the_rest_asks_for_the_rest_too(store: Store) -> None:
    job = partial(store)
    retried(store, job)
    sent_again(store, job)
    next_uuid = ids.attempt_uuid(SECRET, job, 3)
    ask = asked(store, job)
    with store.moves() as moves:
        told = verdict(error(ask.task_uuid), final=True)
        moves.again(ask, next_uuid, 0, ("timeoutProvider", "no"), told)
    _, (claimed,) = take(store)
    assert (claimed.task_uuid, claimed.lacking) == (next_uuid, 1)
    store.deliver(job, [success(next_uuid, "new")])
    assert (record(store, job).state, record(store, job).kept) == (State.COMPLETED, (1, 3))


@pytest.mark.parametrize("how", ["fail", "reject", "expire"])
def test_a_rest_that_fails_leaves_the_job_partial_with_what_it_had(store: Store, how: str) -> None:
    job = partial(store)
    retried(store, job)
    token, uuid = sent_again(store, job)
    ask = asked(store, job)
    with store.moves() as moves:
        if how == "fail":
            moves.fail(ask, ("unsafe", "no"), verdict(error(uuid, "unsafe"), final=True))
        elif how == "reject":
            moves.reject(job, token, "unsafe", "no")
        else:
            moves.expire(ask, 60, "too late")
    found = record(store, job)
    assert (found.state, found.kept) == (State.PARTIAL, (1,))
    assert found.error_code == ("expired" if how == "expire" else "unsafe")
    assert reading_results.failures(store, [job])[0][0] == found.error_code
    assert texts(store, job)[:3] == ["0", "1", "2"]
    audit(store, [job])


def test_a_rest_that_comes_after_its_deadline_amends_the_partial_job(store: Store) -> None:
    job = partial(store)
    retried(store, job)
    _, uuid = sent_again(store, job)
    ask = asked(store, job)
    with store.moves() as moves:
        moves.expire(ask, 0, "too late")
    assert [due.task_uuid for due in store.claim_due(9)[1]] == [uuid], "it is not looked for"
    store.deliver(job, [success(uuid, "new")])
    found = record(store, job)
    assert (found.state, found.kept) == (State.COMPLETED, (1, 2))
    assert found.flags == {"late"}
    assert texts(store, job) == ["0", "1", "2", "new"]
    assert store.window()[1] == 0
    audit(store, [job])


def test_a_rest_that_comes_after_the_user_gave_up_is_shown_with_the_others(store: Store) -> None:
    job = partial(store)
    retried(store, job)
    _, uuid = sent_again(store, job)
    verbs.cancel(store, [record(store, job)])
    store.deliver(job, [success(uuid, "new")])
    found = record(store, job)
    assert (found.state, found.kept) == (State.CANCELLED, (1, 2))
    assert found.flags == {"late"}
    assert retried(store, job) == "completed"


def rest_of_two(store: Store) -> tuple[str, str]:
    """Have an attempt for two of four results under way; return job and taskUUID."""
    job = partial(store, good=2)
    retried(store, job)
    return job, sent_again(store, job)[1]


def test_a_poll_that_shows_the_rest_ends_the_job_though_more_is_said_to_run(store: Store) -> None:
    job, uuid = rest_of_two(store)
    ask = asked(store, job)
    with store.moves() as moves:
        moves.join(ask, 0, 60, "", verdict(success(uuid, "a"), success(uuid, "b"), final=False))
    assert record(store, job).state is State.COMPLETED


def test_the_rest_may_come_by_both_roads(store: Store) -> None:
    job, uuid = rest_of_two(store)
    store.deliver(job, [success(uuid, "a")])
    ask = asked(store, job)
    with store.moves() as moves:
        moves.join(ask, 0, 60, "", verdict(success(uuid, "b"), final=True))
    assert record(store, job).state is State.COMPLETED


@pytest.mark.parametrize("by_poll", [True, False])
def test_more_than_the_rest_is_a_surplus(store: Store, by_poll: bool) -> None:  # noqa: FBT001 - drawn
    job, uuid = rest_of_two(store)
    before = record(store, job).cost
    told = [success(uuid, text) for text in "abc"]
    if by_poll:
        ask = asked(store, job)
        with store.moves() as moves:
            moves.join(ask, 0, 60, "", verdict(*told, final=True))
    else:
        store.deliver(job, told)
        assert record(store, job).cost == before, "which of them is charged is not known"
    assert "surplus" in record(store, job).flags
    audit(store, [job])


def test_a_retried_task_calls_back_where_callbacks_go_now(store: Store) -> None:
    (job,) = queue(store, row())
    first = store.claim(1, 60, "", "", 60)
    with store.moves() as moves:
        moves.reject(job, first.token, "unsafe", "no")
    retried(store, job)
    (claimed,) = store.claim(1, 60, "1", "k1", 60).jobs
    assert (claimed.place, claimed.kid) == ("1", "k1")


def test_a_retried_batch_stays_paused_where_it_was(store: Store) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, State.FAILED)
    verbs.hold(store, "batch_batch", "no reason given")
    retried(store, job)
    assert take(store)[1] == ()
    verbs.resume(store, "batch_batch")
    assert len(take(store)[1]) == 1


@pytest.mark.parametrize("state", [State.QUEUED, State.PROCESSING, State.COMPLETED])
def test_a_job_that_is_open_or_complete_is_not_retried(store: Store, state: State) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, state)
    before = contents(store)
    assert retried(store, job) == "stale"
    assert contents(store) == before


def test_a_retry_of_what_another_has_retried_meanwhile_changes_nothing(store: Store) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, State.FAILED)
    known = record(store, job)
    assert verbs.retry(store, SECRET, [known, known]) == ["moved", "stale"]
    assert len(take(store)[1]) == 1


def parked(store: Store) -> str:
    (job,) = queue(store, row())
    bring_to(store, job, State.RESOLVING)
    store.client.hset(store.keys("job", job), "po", 3)
    ask = asked(store, job)
    with store.moves() as moves:
        moves.park(ask, 600, ("unresolved", "nobody knows"))
    return job


def test_a_parked_job_is_sent_again_alone_and_under_its_task_uuid(store: Store) -> None:
    job = parked(store)
    assert verbs.unpark(store, [record(store, job)]) == ["moved"]
    found = record(store, job)
    assert (found.state, found.flags, found.passed_over) == (State.QUEUED, frozenset(), 0)
    assert store.client.zscore(store.keys("due"), job) is None
    audit(store, [job])
    _, (claimed,) = take(store)
    assert (claimed.task_uuid, claimed.attempt, claimed.resends) == (job, 1, SUSPECT)


def test_a_job_that_is_looked_for_is_not_sent_because_the_user_says_so(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.RESOLVING)
    before = contents(store)
    assert verbs.unpark(store, [record(store, job)]) == ["stale"]
    assert contents(store) == before


def test_a_parked_job_of_which_a_callback_told_is_not_sent_again(store: Store) -> None:
    job = parked(store)
    store.deliver(job, [error(job)])
    assert verbs.unpark(store, [record(store, job)]) == ["stale"]


def test_a_retry_takes_the_flag_off_a_job_that_was_parked_once(store: Store) -> None:
    job = parked(store)
    verbs.cancel(store, [record(store, job)])
    retried(store, job)
    assert "parked" not in record(store, job).flags


def test_the_row_of_a_batch_goes_on_whichever_worker_showed_its_end(store: Store) -> None:
    (job,) = queue(store, row())
    one, other, started = BatchRows(), BatchRows(), ["task-retried", "task-started"]

    def shown(rows: BatchRows) -> list[str]:
        return [kind for kind, _ in rows.changed(store)]

    assert shown(one) == started
    bring_to(store, job, State.FAILED)
    assert shown(other) == ["task-succeeded"]
    retried(store, job)
    take(store)
    assert shown(one) == started
    assert shown(BatchRows()) == started
    assert shown(one) == []
