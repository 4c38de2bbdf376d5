"""What comes after a job has ended, or after the user asked again: joined where it is lacking."""

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

from batches.failed import failed_rows
from tasks import ids, progress, reading_results, verbs
from tasks.job import State
from tasks.store import Store


def texts(store: Store, job: str) -> list[str]:
    (items,) = reading_results.answers(store, [record(store, job)])
    return [str(item.raw.get("text") or item.code) for item in items]


def come(store: Store, job: str, *told: str, road: str, attempt: int = 1) -> None:
    """Let results come of an attempt: those of its answer, or by callbacks."""
    ask = asked(store, job, attempt)
    found = [success(ask.task_uuid, text) for text in told]
    if road == "callback":
        store.deliver(job, found)
        return
    with store.moves() as moves:
        moves.join(ask, 0, 60, "", verdict(*found, final=True))


@pytest.mark.parametrize("road", ["callback", "poll"])
def test_what_a_partial_job_lacked_completes_it_when_it_comes(store: Store, road: str) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, State.PARTIAL)
    come(store, job, "seen", "late", road=road)
    found = record(store, job)
    assert (found.state, found.kept, found.flags) == (State.COMPLETED, (1,), {"late"})
    assert texts(store, job) == ["seen", "late"]
    assert list(failed_rows(store, found.batch)) == []
    audit(store, [job])


def test_a_row_that_was_given_up_and_has_all_of_its_results_is_none_to_buy_again(
    store: Store,
) -> None:
    jobs = queue(store, row(numberResults=2), row(numberResults=2))
    token, _ = take(store)
    with store.moves() as moves:
        for job in jobs:
            moves.acknowledge(job, token, 60, "")
    verbs.cancel(store, [record(store, job) for job in jobs])
    come(store, jobs[0], "one", "two", road="callback")
    come(store, jobs[1], "one", road="callback")
    lacking = [one["_error"] for one in failed_rows(store, record(store, jobs[0]).batch)]
    assert lacking == ["cancelled"]


@pytest.mark.parametrize("road", ["callback", "poll"])
@pytest.mark.parametrize("late", [["seen", "late"], ["seen", "late", "later"]])
def test_what_comes_after_another_attempt_brought_it_changes_no_table(
    store: Store, road: str, late: list[str]
) -> None:
    (job,) = queue(store, row(numberResults=3))
    bring_to(store, job, State.PROCESSING)
    ask = asked(store, job)
    with store.moves() as moves:
        told = verdict(success(job), error(job), error(job, "other"), final=True)
        moves.join(ask, 0, 60, "", told)
    verbs.retry(store, SECRET, [record(store, job)])
    take(store)
    come(store, job, "new", "newer", road="callback", attempt=2)
    before = texts(store, job)
    assert sorted(before) == ["new", "newer", "seen"]
    come(store, job, *late, road=road)
    assert (record(store, job).state, texts(store, job)) == (State.COMPLETED, before)
    audit(store, [job])


def test_a_late_result_stands_beside_those_of_a_rest_that_is_not_whole(store: Store) -> None:
    (job,) = queue(store, row(numberResults=4))
    bring_to(store, job, State.PARTIAL)
    verbs.retry(store, SECRET, [record(store, job)])
    take(store)
    ask = asked(store, job)
    with store.moves() as moves:
        told = verdict(success(ask.task_uuid, "new"), error(ask.task_uuid), final=True)
        moves.join(ask, 0, 60, "", told)
    come(store, job, "late", road="callback")
    assert sorted(texts(store, job)) == ["late", "new", "providerError", "seen"]


def test_a_cost_that_came_with_no_result_is_asked_for_less_and_less_often(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.PROCESSING)
    hash_, waits = store.keys("job", job), []
    for _ in range(20):
        ask = asked(store, job)
        with store.moves() as moves:
            moves.join(ask, 0, 0, "", verdict(success(job, cost=None), final=True))
        due = store.client.zscore(store.keys("due"), job)
        if due is None:
            break
        waits.append(wait := due - store.now())
        since = int(store.client.hget(hash_, "ca1"))  # as if it were due by now
        store.client.hset(hash_, mapping={"ca1": int(since - wait)})
        store.client.zrem(store.keys("due"), job)
    assert 4 < len(waits) < 9
    assert 0 < waits[0] <= 1000
    assert waits[-1] > 8 * waits[0]


def test_a_cost_that_a_later_poll_tells_is_the_jobs(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.PROCESSING)
    for cost in (None, 0.25):
        ask = asked(store, job)
        with store.moves() as moves:
            moves.join(ask, 0, 0, "", verdict(success(job, cost=cost), final=True))
    assert record(store, job).cost == 250_000_000
    assert store.client.zscore(store.keys("due"), job) is None
    audit(store, [job])


def test_the_last_error_of_a_partial_job_is_that_of_its_last_attempt(store: Store) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, State.PROCESSING)
    first = error(job, "contentPolicyViolation")
    with store.moves() as moves:
        told = (first.code, "first refused")
        uuid = ids.attempt_uuid(SECRET, job, 2)
        moves.again(asked(store, job), uuid, 0, told, verdict(first, final=True))
    token, _ = take(store)
    with store.moves() as moves:
        moves.acknowledge(job, token, 60, "")
        answer = verdict(success(uuid, "seen"), error(uuid, "timeoutProvider"), final=True)
        moves.join(asked(store, job), 0, 60, "", answer)
    found = record(store, job)
    assert found.state is State.PARTIAL
    assert reading_results.last_error(store, found)[0] == "timeoutProvider"
    look = progress.look(store, found.batch)
    assert look
    (cause,) = look.causes
    assert (cause.code, cause.message) == ("timeoutProvider", "no"), "not the first refusal's words"
    audit(store, [job])
