"""Submissions and polls share the doors of a worker."""

import pytest

from tasks.outlook import Outlook
from worker.room import LATE, comes_first

FULL = 50


def outlook(claimable: int, late: float) -> Outlook:
    return Outlook(
        claimable=claimable,
        window=1000,
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
