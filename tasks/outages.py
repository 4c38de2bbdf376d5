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
        self._noted = 0
        self._gaps = list[tuple[int, int]]()

    def heard(self, store: Store, settings: Settings, sent: int) -> None:
        """Note that a poll sent at `sent` (the store's ms) was answered.

        Raises:
            StoreAway: it could not be noted.
        """
        if 0 <= sent - self._noted < EVERY:
            return
        # A task of any age is polled after half of it, or sooner (backoff.py), and a bit (in_step).
        pace = min(settings.poll_max, settings.deadline / 2) * 1.1
        self._gaps = store.heard(sent, pace + ANSWERED)
        self._noted = sent

    def between(self, since: int, until: int) -> int:
        """Return how many ms of a time lie in gaps."""
        shares = (min(end, until) - max(begun, since) for begun, end in self._gaps)
        return sum(share for share in shares if share > 0)
