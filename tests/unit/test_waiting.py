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


def polls_until(pace: Pace, duration: float, late: float = 0.0) -> list[float]:
    """Return the ages of a task at its polls, the last of which finds it done; each is late."""
    ages = [pace.wait(0.0, 1.0, 1000.0) + late]
    pace.saw(ages[0], done=ages[0] >= duration, is_first=True)
    while ages[-1] < duration:
        ages.append(ages[-1] + pace.wait(ages[-1], 1.0, 1000.0) + late)
        pace.saw(ages[-1], done=ages[-1] >= duration, is_first=False)
    return ages


def test_tasks_that_take_equally_long_are_mostly_done_when_first_asked_for() -> None:
    pace = Pace()
    polls = [polls_until(pace, 90) for _ in range(400)][100:]
    assert sum(len(ages) == 1 for ages in polls) > 150
    assert max(ages[-1] for ages in polls) < 90 * 1.2


def test_results_are_found_soon_and_with_few_polls_where_tasks_differ_much() -> None:
    pace, random = Pace(), Random(1)
    took = [random.lognormvariate(4, 0.7) for _ in range(1000)]
    found = [polls_until(pace, seconds) for seconds in took]
    assert sum(ages[-1] for ages in found) < 1.4 * sum(took)
    assert sum(map(len, found)) < 4 * len(took)


def test_polls_that_are_late_do_not_make_tasks_look_slow() -> None:
    pace = Pace()
    for late in (0.0, 60.0, 0.0):  # a poller with too much to do, for a while
        for _ in range(300):
            polls_until(pace, 90, late)
    assert pace.wait(0.0, 1.0, 1000.0) == pytest.approx(90, rel=0.2)


@pytest.mark.parametrize("before", [2.0, 500.0])
def test_a_pace_follows_tasks_that_became_quicker_or_slower(before: float) -> None:
    pace = Pace()
    for seconds in (before, 30.0):
        for _ in range(400):
            polls_until(pace, seconds)
    assert pace.wait(0.0, 0.1, 1000.0) == pytest.approx(30, rel=0.2)


def test_a_task_whose_pace_is_not_known_is_asked_for_after_half_of_its_age() -> None:
    assert Pace().wait(40.0, 1.0, 30.0) == 20.0
