"""What each script changes beside the state: slots, due times, the record, the outbox."""

import pytest
from core_driver import (
    asked,
    audit,
    bring_to,
    contents,
    endings,
    error,
    queue,
    record,
    row,
    success,
    take,
    verdict,
)

from tasks import reading, reading_results
from tasks.claims import Verdict
from tasks.job import State
from tasks.store import Store

NEXT = "00000000-0000-4000-8000-000000000002"


def score(store: Store, name: str, member: str) -> float | None:
    found: float | None = store.client.zscore(store.keys(name), member)
    return found


def seconds_away(store: Store, name: str, member: str) -> float:
    at = score(store, name, member)
    assert at is not None
    seconds, micros = store.client.time()
    return at / 1000 - seconds - micros / 1e6


def told(store: Store, job: str) -> list[str]:
    return [event.what for event in reading.history(store, job)]


def test_a_claim_takes_a_slot_a_lease_and_a_fencing_token(store: Store) -> None:
    (job,) = queue(store, row())
    token, (claimed,) = take(store)
    assert (claimed.id, claimed.attempt, claimed.task_uuid) == (job, 1, job)
    assert seconds_away(store, "leases", job) == pytest.approx(45, abs=2)
    assert seconds_away(store, "slots", job) == pytest.approx(3600, abs=2)
    assert record(store, job).token == int(token)


def test_a_refused_job_is_sent_under_its_uuid_after_the_wait_and_not_before(store: Store) -> None:
    (job,) = queue(store, row())
    token, _ = take(store)
    with store.moves() as moves:
        moves.refuse(job, token, 60, "rateLimit", "full")
    assert store.window()[1] == 0
    assert seconds_away(store, "later", job) == pytest.approx(60, abs=2)
    assert take(store)[1] == ()
    store.client.zadd(store.keys("later"), {job: 0})
    assert store.sweep() == (0, 1, 0, 0)
    (again,) = take(store)[1]
    assert (again.task_uuid, again.refusals) == (job, 1)


def test_the_deadline_counts_from_the_claim_that_was_not_refused(store: Store) -> None:
    (job,) = queue(store, row())
    token, _ = take(store)
    with store.moves() as moves:
        moves.refuse(job, token, 0, "insufficientCredits", "")
    store.client.hset(store.keys("job", job), "u1", 1)  # hours ago, for all that is known
    take(store)
    submitted = record(store, job).submitted_at
    assert submitted
    assert submitted > 1


def test_what_a_post_is_made_of_is_frozen_at_the_first_claim(store: Store) -> None:
    queue(store, row())
    first = store.claim(1, 60, "1", "k1", 1000)
    with store.moves() as moves:
        moves.refuse(first.jobs[0].id, first.token, 0, "", "")
    second = store.claim(1, 60, "2", "k2", 9000)
    assert [(j.place, j.kid, j.expiry) for j in second.jobs] == [
        (j.place, j.kid, j.expiry) for j in first.jobs
    ]


def test_a_lost_post_is_due_for_a_poll_at_once_and_keeps_its_slot(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.RESOLVING)
    assert [due.task_uuid for due in store.claim_due(9)[1]] == [job]
    assert store.window()[1] == 1


def test_a_task_taken_for_a_poll_is_held_back_from_others(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.RESOLVING)
    store.claim_due(9)
    assert store.claim_due(9)[1] == []
    assert seconds_away(store, "due", job) == pytest.approx(30, abs=2)


def test_an_absent_task_gives_back_its_slot_and_goes_to_the_front(store: Store) -> None:
    job, _ = queue(store, row(), row())
    token = store.claim(1, 60, "", "", 60).token
    with store.moves() as moves:
        moves.lose(job, token, "", "no answer")
    ask = asked(store, job)
    with store.moves() as moves:
        moves.absent(ask, "not there")
    assert store.window()[1] == 0
    assert store.claim(1, 60, "", "", 60).jobs[0].id == job
    assert record(store, job).resends == 1


def test_a_poll_from_before_a_task_was_sent_again_says_nothing_of_that(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.RESOLVING)
    before, behind = asked(store, job), asked(store, job)
    with store.moves() as moves:
        moves.absent(before, "not there")
    token, _ = take(store)
    with store.moves() as moves:
        moves.lose(job, token, "", "no answer")
        moves.absent(behind, "not there")
    assert record(store, job).state is State.RESOLVING
    with store.moves() as moves:
        moves.absent(asked(store, job), "not there")
    assert record(store, job).state is State.QUEUED


def test_a_parked_task_frees_its_slot_and_is_polled_rarely(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.RESOLVING)
    ask = asked(store, job)
    with store.moves() as moves:
        moves.park(ask, 600, ("unresolved", "nobody knows"))
    assert store.window()[1] == 0
    assert seconds_away(store, "due", job) == pytest.approx(600, abs=2)
    assert record(store, job).flags == {"parked"}
    assert reading_results.failures(store, [job]) == [("unresolved", "nobody knows")]


def test_the_next_attempt_has_its_own_uuid_and_forgets_what_the_last_was_told(
    store: Store,
) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.PROCESSING)
    store.deliver(job, [error(job)])
    ask = asked(store, job)
    with store.moves() as moves:
        moves.again(ask, NEXT, 0, ("timeoutProvider", "no"), verdict(error(job), final=True))
    found = record(store, job)
    assert (found.attempt, found.task_uuid, found.accused, found.empties) == (2, NEXT, False, 0)
    assert found.attempts[0].outcome == "failed"
    assert reading.job_of(store, NEXT) == job
    assert [j.task_uuid for j in take(store)[1]] == [NEXT]


def test_every_attempt_costs_what_it_cost(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.PROCESSING)
    ask = asked(store, job)
    with store.moves() as moves:
        billed = Verdict([error(job)], 0, 125_000_000, final=True)
        moves.again(ask, NEXT, 0, ("timeoutProvider", "no"), billed)
    take(store)
    store.deliver(job, [success(NEXT, "seen", 0.5)])
    found = record(store, job)
    assert [attempt.cost for attempt in found.attempts] == [125_000_000, 500_000_000]
    assert found.cost == 625_000_000
    audit(store, [job])


@pytest.mark.parametrize("state", [State.COMPLETED, State.PARTIAL, State.FAILED, State.EXPIRED])
def test_an_ending_stands_in_the_outbox_once(store: Store, state: State) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, state)
    assert [to for to, *_ in endings(store)] == [state]
    assert store.outlook().endings == 1


def test_an_amended_ending_is_told_again(store: Store) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, State.EXPIRED)
    store.deliver(job, [success(job), success(job, "2")])
    assert [told[:3] for told in endings(store)] == [
        ("expired", "expire", "processing"),
        ("completed", "complete", "expired"),
    ]
    assert record(store, job).flags == {"late"}
    audit(store, [job])


def test_a_cost_that_is_known_after_the_end_is_told_to_flower_and_to_a_caller(
    store: Store,
) -> None:
    jobs = queue(store, row(numberResults=2), row(numberResults=2))
    for job in jobs:
        bring_to(store, job, State.EXPIRED)
    store.client.hset(store.keys("job", jobs[0]), "cy", jobs[0])  # a call of a Celery program
    before, seen = len(endings(store)), store.unshown()
    for job in jobs:
        store.deliver(job, [success(job, cost=0.5)])
    assert [record(store, job).cost for job in jobs] == [500_000_000] * 2
    assert store.unshown() == seen + 2
    assert [told[:3] for told in endings(store)][before:] == [("expired", "cost", "expired")]
    audit(store, jobs)


def test_an_expired_task_is_looked_for_although_its_bound_had_passed(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.PROCESSING)
    store.client.zadd(store.keys("slots"), {job: 1})  # the computer slept for a day
    assert store.sweep()[2] == 1
    ask = asked(store, job)
    with store.moves() as moves:
        moves.expire(ask, 0, "too late")
    assert [due.task_uuid for due in store.claim_due(9)[1]] == [job]
    assert seconds_away(store, "slots", job) == pytest.approx(3600, abs=2)


def test_an_ended_task_is_left_alone_once_a_poll_after_its_bound_was_answered(
    store: Store,
) -> None:
    """Until then the computer may have slept, and a result be there that was paid for."""
    (job,) = queue(store, row())
    bring_to(store, job, State.EXPIRED)
    store.client.zadd(store.keys("slots"), {job: 1})
    store.client.hset(store.keys("job", job), "cu", 1)
    store.client.zadd(store.keys("due"), {job: 1})
    store.sweep()
    sent, (due,) = store.claim_due(9)
    assert score(store, "due", job) is not None
    with store.moves() as moves:
        moves.snooze(due, sent, 60, "empty")
    assert score(store, "due", job) is None


def test_a_post_on_its_way_while_its_job_completes_is_still_looked_for(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.PROCESSING)
    ask = asked(store, job)
    with store.moves() as moves:
        moves.again(ask, NEXT, 0, ("timeoutProvider", "no"), verdict(error(job), final=True))
    token, _ = take(store)
    store.deliver(job, [success(job)])  # the first attempt after all
    with store.moves() as moves:
        moves.acknowledge(job, token, 60, "")
    assert score(store, "due", NEXT) is not None
    assert score(store, "slots", NEXT) is not None
    late = asked(store, job, 2)
    with store.moves() as moves:
        moves.join(late, 0, 60, "", verdict(success(NEXT, "too", 0.25), final=True))
    found = record(store, job)
    assert (found.state, found.winner, found.cost) == (State.COMPLETED, 1, 750_000_000)
    assert found.flags == {"superseded", "late"}
    assert store.window()[1] == 0


def test_a_refused_post_of_a_job_that_has_completed_gives_back_its_slot(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.PROCESSING)
    ask = asked(store, job)
    with store.moves() as moves:
        moves.again(ask, NEXT, 0, ("timeoutProvider", "no"), verdict(error(job), final=True))
    token, _ = take(store)
    store.deliver(job, [success(job)])
    with store.moves() as moves:
        moves.refuse(job, token, 0, "rateLimit", "")
    assert (store.window()[1], score(store, "due", NEXT)) == (0, None)


@pytest.mark.parametrize("what", ["acknowledge", "refuse", "reject", "lose"])
def test_an_answer_to_a_claim_that_was_replaced_changes_nothing(store: Store, what: str) -> None:
    (job,) = queue(store, row())
    old, _ = take(store)
    store.client.zadd(store.keys("leases"), {job: 0})
    store.sweep()
    with store.moves() as moves:
        moves.absent(asked(store, job), "not there")
    new, _ = take(store)
    assert new != old
    before = contents(store)
    with store.moves() as moves:
        match what:
            case "acknowledge":
                moves.acknowledge(job, old, 0, "")
            case "refuse":
                moves.refuse(job, old, 0, "rateLimit", "")
            case "reject":
                moves.reject(job, old, "unsafe", "no")
            case _:
                moves.lose(job, old, "", "no answer")
    assert contents(store) == before


BY_POLL = ("join", "fail", "again", "absent", "expire", "park", "snooze")


@pytest.mark.parametrize("what", BY_POLL)
def test_the_answer_to_an_older_poll_than_was_heard_changes_nothing(
    store: Store, what: str
) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.RESOLVING)
    older, newer = asked(store, job), asked(store, job)
    with store.moves() as moves:
        moves.snooze(newer, 0, 60, "empty")
    before, bad = contents(store), verdict(error(job, "unsafe"), final=True)
    with store.moves() as moves:
        match what:
            case "join":
                moves.join(older, 0, 60, "", verdict(success(job), final=True))
            case "fail":
                moves.fail(older, ("unsafe", "no"), bad)
            case "again":
                moves.again(older, NEXT, 0, ("timeoutProvider", "no"), bad)
            case "absent":
                moves.absent(older, "not there")
            case "expire":
                moves.expire(older, 60, "too late")
            case "park":
                moves.park(older, 60, ("unresolved", "no"))
            case _:
                moves.snooze(older, 0, 60, "running")
    assert contents(store) == before


def test_a_lease_that_ran_out_leaves_no_error_of_an_earlier_refusal(store: Store) -> None:
    (job,) = queue(store, row())
    token, _ = take(store)
    with store.moves() as moves:
        moves.refuse(job, token, 0, "rateLimit", "")
    take(store)
    store.client.zadd(store.keys("leases"), {job: 0})
    assert store.sweep()[0] == 1
    found = record(store, job)
    assert (found.state, found.error_code) == (State.RESOLVING, "")
    audit(store, [job])


def test_history_counts_what_repeats_and_ends_at_its_limit(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.PROCESSING)
    for what in ["running"] * 5 + ["empty", "running"] * 40:
        ask = asked(store, job)
        with store.moves() as moves:
            moves.snooze(ask, 0, 60, what)
    events = reading.history(store, job)
    assert len(events) == 64
    assert told(store, job)[-1] == "poll"
