"""Waiting times, and how many tasks may be at the provider."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.backoff import exponential, next_poll
from tasks.window import grown, shrunk


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


@pytest.mark.parametrize(
    ("window", "accepted", "most", "after"),
    [(8, 8, 1000, 12), (12, 12, 1000, 18), (1, 1, 1000, 2), (999, 50, 1000, 1000), (50, 9, 20, 20)],
)
def test_the_window_grows_by_half_of_what_was_taken(
    window: int, accepted: int, most: int, after: int
) -> None:
    assert grown(window, accepted, most) == after


def test_the_window_shrinks_to_what_is_kept_and_never_shuts() -> None:
    assert [shrunk(kept) for kept in (17, 1, 0)] == [17, 1, 1]
