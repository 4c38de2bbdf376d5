"""How fast jobs end, how long the rest takes, what all will cost."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_batch_view import batch

from batches.forecast import about, exactly, pace, projected, seconds_left
from tasks.progress import Look, Pause

NOW = 1_000_000_000_000


def slices(*counts: int, ago: int = 10) -> dict[int, int]:
    """Return slices of ten seconds, the newest first; the first began `ago` seconds ago."""
    return {NOW - 1000 * (ago + 10 * n): count for n, count in enumerate(counts) if count}


@pytest.mark.parametrize(
    ("seen", "per_second"),
    [
        (slices(), None),
        (slices(9), None),  # too few and too short
        (slices(20), 2.0),
        (slices(20, 20, 20, 20, 20, 20, 20, 20), 2.0),
        (slices(20, 20, 20, 20, 20, 20, 200, 200), 2.0),  # the last minute alone
        (slices(60, 0, 0, 0, 0, 0, 60), 1.0),  # a wave a minute
        (slices(1, 0, 0, 1, 0, 0, 1), 3 / 70),  # a slow batch
        (slices(60, ago=590), 60 / 590),  # long ago
    ],
)
def test_the_pace_is_that_of_the_last_minute_or_of_as_much_as_says_something(
    seen: dict[int, int], per_second: float | None
) -> None:
    assert pace(seen, NOW) == (None if per_second is None else pytest.approx(per_second, rel=0.2))


@given(st.dictionaries(st.integers(NOW - 600_000, NOW + 60_000), st.integers(1, 10**6)))
def test_a_pace_is_never_below_nothing_whatever_the_clock_did(seen: dict[int, int]) -> None:
    speed = pace(seen, NOW)
    assert speed is None or speed > 0


def look(*, works: bool = True, pause: Pause | None = None, **about_batch: object) -> Look:
    return Look(
        now=NOW,
        batch=batch(**about_batch),  # type: ignore[arg-type]
        slices=slices(20),
        causes=(),
        window=8,
        slots=8,
        pause=pause,
        works=works,
        simulated=False,
    )


def test_the_time_left_is_foretold_only_while_jobs_are_worked_on() -> None:
    assert seconds_left(look(queued=600)) == 300
    assert seconds_left(look(queued=600, works=False)) is None
    paused = Pause("top up", None, by_user=False, everything=True)
    assert seconds_left(look(queued=600, pause=paused)) is None
    assert seconds_left(look(queued=600, sealed=False)) is None


def test_a_batch_that_its_limit_has_stopped_has_no_time_left_to_tell() -> None:
    limited = look(queued=600, processing=1)
    spent = replace(limited.batch, limit=10, next_cost=4)
    assert seconds_left(replace(limited, batch=spent)) is not None  # one is on its way
    stopped = look(queued=600)
    spent = replace(stopped.batch, limit=10, next_cost=4)
    assert seconds_left(replace(stopped, batch=spent)) is None


def test_parked_jobs_wait_for_the_user_and_for_no_time() -> None:
    assert seconds_left(look(queued=20, resolving=10, parked=10)) == 10


def test_the_whole_cost_is_foretold_from_the_jobs_that_have_ended() -> None:
    assert projected(batch(completed=4)) == 15_720_000
    assert projected(batch(completed=3, failed=1, queued=4)) == 31_440_000
    assert projected(batch(completed=4, queued=4, cancelled=92)) == 31_440_000
    assert projected(batch(queued=4)) is None
    assert projected(batch()) is None


def test_what_open_jobs_have_cost_is_part_of_what_they_will_cost() -> None:
    one = replace(batch(completed=1, processing=3), cost=10_000, begun=6_000)
    assert projected(one) == 16_000
    assert projected(replace(one, cost=40_000, begun=36_000)) == 40_000  # it is spent already


@pytest.mark.parametrize(
    ("seconds", "guessed", "passed"),
    [
        (0, "less than a minute", "0 s"),
        (-5, "less than a minute", "0 s"),
        (41, "about 1 min", "41 s"),
        (131, "about 2 min", "2 min 11 s"),
        (3600, "about 1 h", "1 h"),
        (12_000, "about 3 h 20 min", "3 h 20 min"),
        (172_800, "about 2 days", "2 days"),
        (10**9, "about 11574 days", "11574 days"),
    ],
)
def test_lengths_of_time_are_said_as_people_say_them(
    seconds: float, guessed: str, passed: str
) -> None:
    assert (about(seconds), exactly(seconds)) == (guessed, passed)
