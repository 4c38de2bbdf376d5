"""Ends a worker that lives and does nothing, so that what watches over it starts another.

Where memory is short just then, a thread may die before it has said that it runs, and whoever
started it waits for that for ever: the main thread, say, for the ticker or for one of the pool. No
limit of ours is met there, and the process looks as if it were idle.
"""

import itertools
import os
import time
from threading import Lock

from structlog.typing import FilteringBoundLogger

from tasks.sink import LAST_SECONDS
from tasks.tally import EVERY

TICKER, CONSUMER = "ticker", "consumer"
"""The loops of a worker; each reports every few seconds at least, also without a store."""

ROUNDS = round(60 / EVERY)


class Watchdog:
    """Looks whether others go round, in a thread that already runs.

    Its time is counted in rounds of its own: a process that was stopped, or a computer that slept,
    has missed none.
    """

    def __init__(self, log: FilteringBoundLogger, rounds: int = ROUNDS) -> None:
        self._log, self._most = log, rounds
        self._lock, self._numbers = Lock(), itertools.count()
        self._beats: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self._missed: dict[str, int] = {}

    def expect(self, what: str) -> None:
        """Say that it is going to go round."""
        with self._lock:
            self._beats[what] = next(self._numbers)

    def beat(self, what: str) -> None:
        """Say that it goes round; one that nobody expects any more may say it a last time."""
        with self._lock:
            if what in self._beats:
                self._beats[what] = next(self._numbers)

    def rest(self, what: str) -> None:
        """Say that it is not to go round any more."""
        with self._lock:
            self._beats.pop(what, None)

    def stuck(self) -> list[str]:
        """Look once; return the loops that have not gone round for too many looks."""
        with self._lock:
            beats = dict(self._beats)
        same = beats.items() & self._seen.items()
        self._missed = {what: self._missed.get(what, 0) + 1 for what, _ in same}
        self._seen = beats
        return sorted(what for what, missed in self._missed.items() if missed >= self._most)

    def look(self) -> None:
        """Look once, and end the process where something is stuck."""
        if stuck := self.stuck():
            try:
                reason = f"no round for {self._most * EVERY:g} s: {', '.join(stuck)}"
                self._log.critical("worker.stuck", reason=reason)
                time.sleep(LAST_SECONDS)  # until the line is written
            finally:
                os._exit(1)  # what waits for ever cannot be asked to end
