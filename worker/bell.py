"""How the tick thread calls a submit door that waits in the same process.

A message to a door passes the store twice and Celery's loop; where a provider's capacity is full,
slots stand free for as long.
"""

from queue import Empty, SimpleQueue
from threading import Lock


class Bell:
    """One door may wait at it; doors of other processes are sent for by a message."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: SimpleQueue[bool] | None = None
        self._is_open = True

    def wait(self, seconds: float) -> bool:
        """Wait to be called; false where another door waits, or nobody called in time."""
        with self._lock:
            if self._waiting is not None or not self._is_open:
                return False
            mine = self._waiting = SimpleQueue[bool]()
        try:
            return mine.get(timeout=seconds)
        except Empty:
            return not self._leave(mine)

    def _leave(self, mine: SimpleQueue[bool]) -> bool:
        """Wait no longer; false where the door has been called meanwhile."""
        with self._lock:
            is_here = self._waiting is mine
            if is_here:
                self._waiting = None
        return is_here

    def ring(self) -> bool:
        """Call the door that waits; false where none does."""
        return self._answer(called=True)

    def _answer(self, *, called: bool) -> bool:
        with self._lock:
            waiting, self._waiting = self._waiting, None
        if waiting is None:
            return False
        waiting.put(called)
        return True

    def close(self) -> None:
        """Send the door that waits home, and let none wait."""
        self._is_open = False
        self._answer(called=False)

    def open(self) -> None:
        """Let a door wait again."""
        self._is_open = True
