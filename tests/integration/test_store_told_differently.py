"""A result that callback and poll tell a little differently counts once, as the provider says."""

import pytest
from core_driver import asked, audit, error, queue, record, row, success, take, verdict

from tasks import reading_results
from tasks.job import State
from tasks.store import Store
from tasks.wire.answer import Item


def running(store: Store, results: int) -> str:
    (job,) = queue(store, row(numberResults=results))
    token, _ = take(store)
    with store.moves() as moves:
        moves.acknowledge(job, token, 60, "")
    return job


def polled(store: Store, job: str, *told: Item, final: bool) -> None:
    with store.moves() as moves:
        moves.join(asked(store, job), 0, 60, "", verdict(*told, final=final))


def table(store: Store, job: str) -> list[str]:
    (items,) = reading_results.answers(store, [record(store, job)])
    return [str(item.raw.get("text") or item.code) for item in items]


@pytest.mark.parametrize("others", [1, 2])
def test_beside_errors_that_are_all_of_the_rest_it_is_no_further_result(
    store: Store, others: int
) -> None:
    job = running(store, 1 + others)
    store.deliver(job, [success(job, "a\nb", cost=0.01)])
    refused = [error(job, "contentPolicyViolation"), error(job)][:others]
    polled(store, job, success(job, "a\r\nb", cost=0.01), *refused, final=True)
    found = record(store, job)
    assert (found.state, found.cost) == (State.PARTIAL, 10_000_000)
    assert table(store, job) == ["a\r\nb", *(one.code for one in refused)]
    assert found.flags == {"surplus"}, "kept beside, for all that"
    assert len(reading_results.surplus(store, found, 1)) == 1
    store.deliver(job, [success(job, "a\nb", cost=0.01)])
    assert record(store, job) == found, "the same callback again"
    audit(store, [job])


def test_what_there_is_room_for_is_a_result_of_its_own(store: Store) -> None:
    job = running(store, 3)
    store.deliver(job, [success(job, "c", cost=0.01)])
    polled(store, job, success(job, "a", cost=0.01), error(job), final=True)
    assert record(store, job).state is State.PARTIAL
    assert sorted(table(store, job)) == ["a", "c", "providerError"]
    audit(store, [job])


def test_at_the_deadline_it_does_not_stand_for_one_that_still_runs(store: Store) -> None:
    job = running(store, 2)
    store.deliver(job, [success(job, "a\nb")])
    polled(store, job, success(job, "a\r\nb"), final=False)
    with store.moves() as moves:
        moves.expire(asked(store, job), 60, "too late")
    assert record(store, job).state is State.PARTIAL
    polled(store, job, success(job, "a\r\nb"), success(job, "second"), final=True)
    assert record(store, job).state is State.COMPLETED
    assert table(store, job) == ["a\r\nb", "second"]
    audit(store, [job])


def test_what_has_completed_a_job_stays_though_the_provider_says_that_it_failed(
    store: Store,
) -> None:
    job = running(store, 2)
    polled(store, job, success(job, "a"), final=False)
    with store.moves() as moves:
        moves.expire(asked(store, job), 60, "too late")
    store.deliver(job, [success(job, "b")])
    assert record(store, job).state is State.COMPLETED
    polled(store, job, success(job, "a"), error(job), final=True)
    assert table(store, job) == ["a", "b"]
    audit(store, [job])
