"""Submissions and polls share the doors of a worker."""

from time import sleep

import pytest

from tasks.outlook import Outlook
from worker.room import BUSY, LATE, Room, comes_first

FULL = 50


def outlook(claimable: int, late: float = 0.0, window: int = 1000) -> Outlook:
    return Outlook(
        claimable=claimable,
        window=window,
        due=500,
        late=late,
        endings=0,
        unshown=0,
        overdue=False,
        wait=0.0,
    )


@pytest.mark.parametrize(
    ("claimable", "late", "first"),
    [
        (2 * FULL, 0.0, True),
        (1000, LATE - 0.1, True),
        (2 * FULL - 1, 0.0, False),  # one door takes them
        (1000, LATE, False),  # a result has waited for long
    ],
)
def test_submissions_come_before_polls_while_many_slots_are_free_and_no_poll_is_late(
    claimable: int, late: float, *, first: bool
) -> None:
    assert comes_first(outlook(claimable, late), FULL) is first


@pytest.mark.parametrize(
    ("claimable", "window", "worth"),
    [
        (FULL, 1_000_000, True),
        (FULL - 1, 1_000_000, False),
        (20, 1000, True),  # a fiftieth of the window
        (19, 1000, False),
        (1, 8, True),
        (0, 8, False),
    ],
)
def test_slots_are_worth_a_post_at_once_where_they_fill_one_or_a_fiftieth_of_the_window(
    claimable: int, window: int, *, worth: bool
) -> None:
    assert Room(FULL).look(outlook(claimable, window=window)) is worth


def test_few_slots_are_worth_a_post_a_moment_after_the_first_came_free() -> None:
    room = Room(FULL)
    assert not room.look(outlook(1))
    assert room.is_waiting
    sleep(BUSY)
    assert room.look(outlook(1))
    assert not room.is_waiting


def test_slots_that_were_taken_meanwhile_make_no_later_ones_worth_a_post() -> None:
    room = Room(FULL)
    assert not room.look(outlook(1))
    assert not room.look(outlook(0))
    assert not room.is_waiting
    sleep(BUSY)
    assert not room.look(outlook(1))
