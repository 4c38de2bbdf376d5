"""What one look at a batch tells: causes, pace, pauses, who waits longest."""

from collections.abc import Mapping

import pytest
from core_driver import asked, audit, bring_to, error, queue, record, row, success, take, verdict
from core_driver import resize as resized

from batches.story import story_of
from batches.view import describe_look
from tasks import health, progress, reading, verbs
from tasks.job import State
from tasks.progress import Look
from tasks.store import Store


def look(store: Store, name: str = "batch") -> Look:
    seen = progress.look(store, f"batch_{name}")
    assert seen
    return seen


def fail(store: Store, job: str, code: str, message: str = "no") -> None:
    ask = asked(store, job)
    with store.moves() as moves:
        answer = verdict(error(ask.task_uuid, code), final=True)
        moves.fail(ask, (code, message), answer)


def causes(store: Store) -> list[tuple[str, int, str]]:
    return [(cause.code, cause.jobs, cause.message) for cause in look(store).causes]


def test_a_batch_that_is_not_there_is_none(store: Store) -> None:
    assert progress.look(store, "batch_nobody") is None


def test_errors_are_counted_by_code_with_an_example_the_most_frequent_first(store: Store) -> None:
    jobs = queue(store, *[row()] * 3)
    take(store)
    for job, code in zip(jobs, ("timeoutProvider", "unsafe", "unsafe"), strict=True):
        fail(store, job, code, f"{code} said")
    assert causes(store) == [
        ("unsafe", 2, "unsafe said"),
        ("timeoutProvider", 1, "timeoutProvider said"),
    ]


def test_a_job_that_leaves_failure_is_no_longer_counted_under_its_error(store: Store) -> None:
    late, again, stays = jobs = queue(store, *[row()] * 3)
    take(store)
    for job in jobs:
        fail(store, job, "timeoutProvider")
    store.deliver(late, [success(late)])
    assert verbs.retry(store, b"a secret of the tests", [record(store, again)]) == ["moved"]
    assert causes(store) == [("timeoutProvider", 1, "no")]
    assert verbs.retry(store, b"a secret of the tests", [record(store, stays)]) == ["moved"]
    assert causes(store) == []
    audit(store, jobs)


def test_a_partial_job_counts_under_the_error_that_stands_in_a_results_place(store: Store) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, State.PARTIAL)
    assert causes(store) == [("providerError", 1, "no")]


def test_expired_jobs_are_a_cause_of_their_own(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.EXPIRED)
    assert causes(store) == [("expired", 1, "too late")]


def test_however_many_codes_a_provider_thinks_of_their_number_is_bounded(store: Store) -> None:
    resized(store, 100)
    jobs = queue(store, *[row()] * 70)
    take(store)
    for number, job in enumerate(jobs):
        fail(store, job, f"code{number}")
    assert store.client.hlen(store.keys("causes", "batch_batch")) == 2 * 65
    assert causes(store)[0][:2] == ("other", 6)
    audit(store, jobs)


def test_the_pace_is_known_to_whoever_looks_first(store: Store) -> None:
    jobs = queue(store, *[row()] * 4)
    take(store)
    for job in jobs[:3]:
        store.deliver(job, [success(job)])
    verbs.cancel(store, [record(store, jobs[3])])
    seen = look(store)
    assert sum(seen.slices.values()) == 3, "what the user gives up says nothing of the pace"
    assert all(0 <= seen.now - start < 60_000 for start in seen.slices)
    assert store.client.pttl(store.keys("pace", "batch_batch")) > 0


def test_slices_of_the_pace_are_kept_for_ten_minutes(store: Store) -> None:
    (job,) = queue(store, row())
    take(store)
    key = store.keys("pace", "batch_batch")
    store.client.hset(key, mapping={str(n): 5 for n in range(50)})
    store.deliver(job, [success(job)])
    assert list(look(store).slices.values()) == [1]
    assert store.client.hlen(key) == 1


def test_parked_jobs_are_counted_until_something_becomes_of_them(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.RESOLVING)
    for _ in range(2):
        with store.moves() as moves:
            moves.park(asked(store, job), 600, ("unresolved", "never found"))
    assert (look(store).batch.parked, health.totals(store).parked) == (1, 1)
    assert verbs.unpark(store, [record(store, job)]) == ["moved"]
    assert (look(store).batch.parked, health.totals(store).parked) == (0, 0)
    audit(store, [job])


def test_a_pause_tells_why_whose_word_it_is_and_when_it_is_tried_again(store: Store) -> None:
    queue(store, row())
    assert look(store).pause is None
    store.pause("batch_batch", "unsafe: stop", 60)
    told = look(store).pause
    assert told
    assert (told.reason, told.by_user, told.everything) == ("unsafe: stop", False, False)
    assert told.until
    assert 50_000 < told.until - look(store).now <= 60_000
    store.pause("*", "insufficientCredits: top up", 60)
    told = look(store).pause
    assert told
    assert (told.reason, told.everything) == ("insufficientCredits: top up", True)
    verbs.hold(store, "batch_batch", "lunch")
    told = look(store).pause
    assert told
    assert (told.reason, told.by_user, told.until) == ("lunch", True, None)
    assert {(s.what, s.seconds is None) for s in health.health(store).pauses} == {
        ("all", False),
        ("batch", True),
    }


def test_endings_that_nobody_settles_are_told_as_what_stops_the_claims(store: Store) -> None:
    queue(store, row())
    store.client.xadd(store.keys("ends"), {"job": "x"}, id="1-1")
    told = look(store).pause
    assert told
    assert told.reason.startswith("the oldest ending is unsettled for ")


def test_of_jobs_at_the_provider_the_one_sent_first_waits_longest(store: Store) -> None:
    jobs = queue(store, *[row()] * 5)
    token, _ = take(store, 2)
    with store.moves() as moves:
        moves.acknowledge(jobs[0], token, 30, "")
        moves.acknowledge(jobs[1], token, 5, "")
    batch = look(store).batch
    waiting = progress.longest_waiting(store, batch)
    assert waiting
    assert waiting.record.id == jobs[0]
    assert waiting.next_at
    store.deliver(jobs[0], [success(jobs[0])])
    waiting = progress.longest_waiting(store, batch)
    assert waiting
    assert waiting.record.id == jobs[1]


def test_before_anything_is_sent_the_next_in_the_queue_waits_longest(store: Store) -> None:
    jobs = queue(store, row(), row())
    waiting = progress.longest_waiting(store, look(store).batch)
    assert waiting
    assert (waiting.record.id, waiting.next_at) == (jobs[0], None)
    told = describe_look(look(store), waiting)["waits_longest"]
    assert told["waits_for"].startswith("It waits for a free slot")


@pytest.mark.parametrize(
    ("code", "detail", "why"),
    [
        ("", "looked for before it is sent: silent", "looked for before it is sent: silent"),
        ("rateLimitExceeded", "rateLimitExceeded", "refused it for now (rateLimitExceeded)"),
    ],
)
def test_a_job_that_waits_for_its_next_turn_is_told_why_the_last_one_was_none(
    store: Store, code: str, detail: str, why: str
) -> None:
    (job,) = queue(store, row())
    token, _ = take(store, 1)
    with store.moves() as moves:
        moves.refuse(job, token, 60.0, code, detail)
    waiting = progress.longest_waiting(store, look(store).batch)
    assert why in describe_look(look(store), waiting)["waits_longest"]["waits_for"]
    (record,) = reading.records(store, [job])
    assert record
    assert why in (story_of(store, record).waits_for or "")


def test_polls_behind_a_refusal_hide_it_and_a_turn_of_its_own_ends_it(store: Store) -> None:
    def told() -> str:
        (record,) = reading.records(store, [job])
        waiting = progress.longest_waiting(store, look(store).batch)
        seen = describe_look(look(store), waiting)["waits_longest"]["waits_for"]
        assert record
        assert seen == story_of(store, record).waits_for
        return str(seen)

    (job,) = queue(store, row())
    token, _ = take(store, 1)
    with store.moves() as moves:
        moves.refuse(job, token, 0.0, "", "looked for before it is sent: silent")
        moves.snooze(asked(store, job), 0, 60, "empty")
    store.deliver(job, [error(job, "timeoutProvider")])
    assert [event.what for event in reading.history(store, job)][-2:] == ["poll", "callback"]
    assert "it was not sent: looked for before it is sent: silent" in told()
    take(store, 1)
    fail(store, job, "timeoutProvider")
    assert verbs.retry(store, b"a secret of the tests", [record(store, job)]) == ["moved"]
    assert told().startswith("It waits for a free slot")


def test_another_batch_before_it_hides_no_job_that_waits(store: Store) -> None:
    resized(store, 60)
    queue(store, *[row()] * 50, name="before")
    take(store)
    (job,) = queue(store, row(), name="after")
    take(store)
    waiting = progress.longest_waiting(store, look(store, "after").batch)
    assert waiting
    assert waiting.record.id == job
    assert waiting.record.state is State.SUBMITTING


def test_where_all_has_ended_nobody_waits(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.CANCELLED)
    assert progress.longest_waiting(store, look(store).batch) is None


def test_a_look_costs_the_same_however_large_the_batch_is(store: Store) -> None:
    def commands(name: str) -> int:
        before = store.client.info("commandstats")
        progress.longest_waiting(store, look(store, name).batch)
        after = store.client.info("commandstats")
        return sum(map(calls, after.values())) - sum(map(calls, before.values()))

    def calls(stat: Mapping[str, int]) -> int:
        return stat["calls"]

    queue(store, *[row()] * 2, name="small")
    queue(store, *[row()] * 3_000, name="large")
    resized(store, 100)
    take(store)
    assert commands("large") - commands("small") < 2 * progress.HEADS
