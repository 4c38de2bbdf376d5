"""Waiting times."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.backoff import exponential, next_poll
from tasks.timing import Pace


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


def polls_until(pace: Pace, duration: float) -> int:
    age, polls = pace.wait(0.0, 1.0, 30.0), 1
    while age < duration:
        age += pace.wait(age, 1.0, 30.0)
        polls += 1
    return polls


def test_a_pace_that_was_learned_saves_polls_and_finds_results_soon_after() -> None:
    pace, random = Pace(), Random(1)
    unlearned = polls_until(pace, 90)
    for _ in range(200):
        pace.saw(random.uniform(60, 120))
    assert polls_until(pace, 90) <= unlearned - 4
    assert polls_until(pace, 65) <= 4  # the longest wait is 30 s
    age = 70.0
    assert pace.wait(age, 1.0, 30.0) <= age / 4 + 1


def test_a_pace_follows_tasks_that_became_quicker_or_slower() -> None:
    pace = Pace()
    for seconds in (100.0, 2.0, 100.0):
        for _ in range(200):
            pace.saw(seconds)
        assert pace.wait(0.0, 0.1, 1000.0) == pytest.approx(seconds, rel=0.2)
