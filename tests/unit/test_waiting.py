"""Waiting times."""

from collections.abc import Iterable
from heapq import heappop, heappush
from itertools import islice
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.backoff import exponential, next_poll
from tasks.timing import Pace, head_start, in_step, is_scout


@given(st.integers(0, 10_000), st.floats(0.01, 10), st.floats(10, 1000), st.randoms())
def test_a_wait_doubles_up_to_its_most_give_or_take_a_quarter(
    tries: int, first: float, most: float, random: Random
) -> None:
    plain = min(most, first * 2 ** min(tries, 30))
    assert 0.75 * plain <= exponential(tries, first, most, random) <= 1.25 * plain


def test_two_waits_are_spread_apart() -> None:
    random = Random(1)
    assert len({exponential(3, 1.0, 60.0, random) for _ in range(100)}) > 90


@given(st.floats(-10, 1e6), st.floats(0.1, 20), st.floats(20, 600))
def test_a_poll_is_never_sooner_than_the_first_nor_later_than_the_most(
    age: float, first: float, most: float
) -> None:
    assert first <= next_poll(age, first, most) <= most


def test_the_number_of_polls_grows_with_the_logarithm_of_the_duration() -> None:
    age, polls = 0.0, 0
    while age < 3600:
        age += next_poll(age, 1.0, 1e9)
        polls += 1
    assert polls < 25


def found_late(pace: Pace, durations: Iterable[float], at_once: int) -> tuple[float, float]:
    """Run tasks of these durations, some at once, polled as the pace has it.

    Returns:
        The mean seconds from a task's end to the poll that found it, of the second half; polls per
        task.
    """
    random, late, polls = Random(1), [], 0
    coming, due = iter(durations), list[tuple[float, str, float, float, int]]()

    def begin(now: float, durations: Iterable[float]) -> None:
        for duration in durations:
            uuid = f"{random.getrandbits(128):032x}"
            heappush(due, (now + pace.wait(0.0, 1.0, 30.0, uuid), uuid, now, duration, 1))

    begin(0.0, islice(coming, at_once))
    while due:
        now, uuid, begun, duration, tries = heappop(due)
        polls, age = polls + 1, now - begun + 0.05
        if age < duration:
            again = now + pace.wait(age, 1.0, 30.0)
            heappush(due, (again, uuid, begun, duration, tries + 1))
            continue
        late.append(age - duration)
        pace.saw(age, took=tries > 1 and not is_scout(uuid))
        begin(now, islice(coming, 1))
    half = late[len(late) // 2 :]
    return sum(half) / len(half), polls / len(late)


def test_a_pace_that_was_learned_finds_results_soon_after_with_few_polls() -> None:
    random = Random(1)
    for at_once in (1, 10, 100, 1000):
        late, polls = found_late(Pace(), [2.0] * 5000, at_once)
        assert late < 0.15
        assert polls < 1.3
    late, polls = found_late(Pace(), [random.uniform(60, 120) for _ in range(5000)], 100)
    assert late < 12  # the longest wait is 30 s
    assert polls < 5


@pytest.mark.parametrize("at_once", [1, 10, 100, 1000])
def test_a_pace_follows_tasks_that_became_quicker_or_slower(at_once: int) -> None:
    pace = Pace()
    for seconds, soon in ((25.0, 8.0), (2.0, 0.5), (0.2, 0.5), (25.0, 8.0)):
        late, polls = found_late(pace, [seconds] * 6 * (at_once + 100), at_once)
        assert late < soon
        assert polls < 10


@given(st.floats(0, 2e9), st.floats(0.01, 5000))
def test_a_wait_in_step_is_a_sixteenth_longer_at_most(now: float, wait: float) -> None:
    longer = in_step(now, wait)
    assert -1e-6 <= longer - wait <= wait / 16 + 1e-6


def test_tasks_that_come_at_any_time_are_due_together() -> None:
    random = Random(1)
    ends = [now + in_step(now, 2.0) for now in (random.uniform(0, 10) for _ in range(1000))]
    assert len({round(end, 6) for end in ends}) <= 10 / 0.125 + 1
    assert {round(now + in_step(now, 4.0), 6) % 0.25 for now in ends} == {0.0}


def test_scouts_are_few_and_spread() -> None:
    uuids = [f"{n:032x}" for n in range(4096)]
    shares = [head_start(uuid) for uuid in uuids if is_scout(uuid)]
    assert len(shares) == len(uuids) / 8
    assert 0.5 <= min(shares) < 0.51
    assert 0.99 < max(shares) < 1
    assert {head_start(uuid) for uuid in uuids if not is_scout(uuid)} == {1.0}
