"""A record as it is read from its hash."""

import pytest

from tasks.job import State, record

JOB = "378ac79a-0546-4a6f-a20e-761d22ecfbd2"
NEXT = "ead5ba1a-9a2d-46e3-8ee2-373fb66251f6"
LEAST = {"s": "queued", "b": "batch_1", "a": "1", "q": "5", "n": "1"}


def test_a_fresh_record_has_done_nothing_yet() -> None:
    job = record(JOB, LEAST)
    assert (job.state, job.batch, job.attempt, job.expected) == (State.QUEUED, "batch_1", 1, 1)
    assert (job.submitted_at, job.ended_at, job.winner, job.unclear_since) == (None,) * 4
    assert (job.cost, job.resends, job.empties, job.sightings, job.accused) == (0, 0, 0, 0, False)
    assert (job.task_uuid, job.flags, job.signature) == (JOB, frozenset(), "")


def test_each_attempt_has_its_own_task_times_and_cost() -> None:
    second = {"a": "2", "i2": NEXT, "u1": "10", "e1": "20", "o1": "failed", "m1": "7", "u2": "30"}
    job = record(JOB, LEAST | second | {"m": "7"})
    one, two = job.attempts
    assert (one.task_uuid, one.submitted_at, one.ended_at, one.outcome, one.cost) == (
        *(JOB, 10, 20, "failed", 7),
    )
    assert (two.task_uuid, two.submitted_at, two.ended_at, two.outcome) == (NEXT, 30, None, "")
    assert (job.submitted_at, job.task_uuid, job.cost) == (10, NEXT, 7)


def test_the_answer_of_an_earlier_attempt_is_found_under_its_own_task() -> None:
    assert record(JOB, LEAST | {"a": "2", "i2": NEXT, "w": "1"}).task_uuid == JOB


def test_flags_are_words() -> None:
    assert record(JOB, LEAST | {"fl": "late,surplus"}).flags == {"late", "surplus"}


def test_a_callbacks_accusation_is_remembered() -> None:
    assert record(JOB, LEAST | {"ce": "1"}).accused


def test_money_is_an_integer_of_any_size() -> None:
    assert record(JOB, LEAST | {"m": "9007199254740993"}).cost == 9_007_199_254_740_993


def test_an_unknown_state_is_an_error_and_no_guess() -> None:
    with pytest.raises(ValueError, match="unheard"):
        record(JOB, LEAST | {"s": "unheard"})
