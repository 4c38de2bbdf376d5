"""A task that is sent again: what is told meanwhile may be of the POST before."""

import pytest
from core_driver import (
    asked,
    audit,
    bring_to,
    error,
    queue,
    record,
    row,
    take,
    verdict,
)

from tasks.claims import Due
from tasks.job import State
from tasks.store import Store

pytestmark = pytest.mark.one_store

NEXT = "ffffffff-0000-4000-8000-000000000002"


def sent_again(store: Store) -> tuple[str, str]:
    """Bring a job to the POST that follows one without any answer; return it and the token."""
    (job,) = queue(store, row())
    bring_to(store, job, State.RESOLVING)
    ask = asked(store, job)
    with store.moves() as moves:
        moves.absent(ask, "not there")
    token, (claimed,) = take(store)
    assert (claimed.id, claimed.resends) == (job, 1)
    return job, token


def fails(store: Store, ask: Due, event: str) -> None:
    told = verdict(error(ask.task_uuid), final=True)
    with store.moves() as moves:
        if event == "again":
            moves.again(ask, NEXT, 0, ("providerError", "no"), told)
        else:
            moves.fail(ask, ("unsafe", "no"), told)


@pytest.mark.parametrize("event", ["again", "fail"])
def test_a_failure_told_while_a_resend_is_on_its_way_ends_no_attempt(
    store: Store, event: str
) -> None:
    job, token = sent_again(store)
    store.deliver(job, [error(job)])
    fails(store, asked(store, job), event)
    assert record(store, job).state is State.SUBMITTING
    with store.moves() as moves:
        moves.acknowledge(job, token, 1, "")  # bought, perhaps for the second time
    found = record(store, job)
    assert (found.state, found.attempt) == (State.PROCESSING, 1)
    assert store.client.zscore(store.keys("due"), job) is not None, "nobody would look for it"
    assert store.client.zscore(store.keys("slots"), job) is not None
    fails(store, asked(store, job), event)  # told again after it was taken
    assert record(store, job).state is (State.QUEUED if event == "again" else State.FAILED)
    audit(store, [job])


def test_a_failure_told_while_a_resend_is_on_its_way_is_asked_for_where_no_answer_comes(
    store: Store,
) -> None:
    job, _ = sent_again(store)
    store.client.zrem(store.keys("due"), job)
    fails(store, asked(store, job), "again")
    due = store.client.zscore(store.keys("due"), job)
    assert due == store.client.zscore(store.keys("leases"), job)


def test_a_refused_resend_of_what_a_callback_told_of_is_looked_for_and_not_sent(
    store: Store,
) -> None:
    job, token = sent_again(store)
    store.deliver(job, [error(job)])
    with store.moves() as moves:
        moves.refuse(job, token, 0, "rateLimitExceeded", "")
    assert record(store, job).state is State.QUEUED
    assert take(store)[1] == ()
    assert record(store, job).state is State.PROCESSING
    audit(store, [job])


def test_an_acknowledgment_that_comes_after_its_lease_is_heard_unless_another_has_the_job(
    store: Store,
) -> None:
    (job,) = queue(store, row())
    token, _ = take(store)
    store.client.zadd(store.keys("leases"), {job: 0})
    store.sweep()
    assert record(store, job).state is State.RESOLVING
    with store.moves() as moves:
        moves.acknowledge(job, "0", 1, "")
    assert record(store, job).state is State.RESOLVING
    with store.moves() as moves:
        moves.acknowledge(job, token, 1, "")
    assert record(store, job).state is State.PROCESSING
    assert store.client.zscore(store.keys("due"), job) is not None
    audit(store, [job])
