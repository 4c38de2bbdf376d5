"""Whether the free slots are worth a POST by now, and whether polls make room for it."""

from time import monotonic

from tasks.outlook import Outlook

BUSY = 0.1
"""Seconds after which slots are worth a POST however few they are."""
LATE = 5.0
"""Seconds that a poll may wait for submissions."""


class Room:
    """The free slots as one looker sees them: worth a POST when enough, or free for long.

    Args:
        full: Tasks in a full POST.
    """

    def __init__(self, full: int) -> None:
        self._full = full
        self._since: float | None = None

    def look(self, outlook: Outlook) -> bool:
        """Whether the slots are worth a POST by now; whoever looked is then to send it."""
        if not outlook.claimable:
            self._since = None
            return False
        self._since = self._since or monotonic()
        enough = _is_enough(outlook.claimable, outlook.window, self._full)
        if not enough and monotonic() - self._since < BUSY:
            return False
        self._since = None
        return True

    @property
    def is_waiting(self) -> bool:
        """Whether slots are free that are not worth a POST yet."""
        return self._since is not None


def _is_enough(free: int, window: int, full: int) -> bool:
    """Whether so many free slots are worth a POST of their own at once.

    A chunk that is full is; below that a fiftieth of the window, so that slots stand free for the
    hundredth part of the time.
    """
    return free >= max(1, min(full, window // 50))


def is_crowded(outlook: Outlook, full: int) -> bool:
    """Whether there is more to submit than one door can: free slots for several full POSTs."""
    return outlook.claimable >= 2 * full


def comes_first(outlook: Outlook, full: int) -> bool:
    """Whether submissions go before polls, of which one door goes on meanwhile.

    A slot that stands free is time lost, a result that is there stays there; but not for long.
    """
    return is_crowded(outlook, full) and outlook.late < LATE
