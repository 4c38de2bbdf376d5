"""When nobody heard of the provider: that time counts against no deadline.

It was away, the store or the workers were, or the computer slept. What a task came to meanwhile,
the first answer after it may not tell yet: one that runs is running, an error is to be seen twice.
"""

from tasks.settings import Settings
from tasks.store import Store

EVERY = 5_000
"""Least ms between two notes of one worker that polls are answered."""

ANSWERED = 10.0
"""Seconds that an answer may take beyond the pace of polls, and is none that was missing."""


class Outages:
    """The gaps between answered polls, as the workers of one store know them together."""

    def __init__(self) -> None:
        self._heard = 0  # when the last poll was sent of which this one knows that it was answered
        self._gaps = list[tuple[int, int]]()

    def heard(self, store: Store, settings: Settings, sent: int) -> None:
        """Note that a poll sent at `sent` (the store's ms) was answered.

        Raises:
            StoreAway: it could not be noted.
        """
        if 0 <= sent - self._heard < EVERY:
            return
        self._gaps = store.heard(sent, gap(slowest_pace(settings)) / 1000)
        self._heard = sent

    def between(self, since: int, until: int, least: int) -> int:
        """Return how many ms of a time lie in gaps of at least so many, the one now among them.

        All, as long as this worker has heard of nothing.
        """
        gaps = [*self._gaps, (self._heard, until)]
        shares = (min(e, until) - max(b, since) for b, e in gaps if e - b >= least)
        return sum(share for share in shares if share > 0)


def slowest_pace(settings: Settings) -> float:
    """Return after how many seconds at most a task is polled again that a job hangs on."""
    # A task of any age is polled after half of it, or sooner (backoff.py).
    return max(settings.first_poll, min(settings.poll_max, settings.deadline / 2))


def gap(seconds: float) -> int:
    """Return how many ms without an answer are an outage, where polls come at such a pace."""
    return round((seconds * 1.1 + ANSWERED) * 1000)  # a bit later, to be in step (timing.py)
