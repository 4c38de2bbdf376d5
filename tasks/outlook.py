"""What there is to do now, by the store's own account."""

from collections.abc import Sequence
from dataclasses import dataclass

FOREVER = 3600.0
"""Seconds to wait where nothing is known to come: whatever is to do is told by a nudge."""


@dataclass(frozen=True)
class Outlook:
    """What there is to do."""

    claimable: int  # jobs that free slots could take at once
    window: int  # slots, free or not
    due: int  # tasks to poll
    endings: int  # entries of the outbox, each of one or more endings to settle
    unshown: int  # entries for Flower, each with the moves of one script run
    late: float  # seconds since the first of the tasks to poll is due
    overdue: bool  # something waits for the sweep
    wait: float  # seconds until more comes due by itself

    @property
    def has_work(self) -> bool:
        """Whether anything could be done at once."""
        return bool(self.claimable or self.due or self.endings or self.overdue)


def outlook(told: Sequence[int]) -> Outlook:
    """Read what outlook.lua answers."""
    now, claimable, window, due_now, endings, unshown, *times = told
    coming = [(at - now) / 1000 for at in times if at]
    return Outlook(
        claimable=claimable,
        window=window,
        due=due_now,
        endings=endings,
        unshown=unshown,
        late=max(0, now - times[0]) / 1000 if times[0] else 0.0,
        overdue=0 < times[1] <= now,
        wait=min(coming, default=FOREVER),
    )
