"""What a process counts of what it meets, told to the store every few seconds.

Nothing is added to a job's path but an addition in memory. A process that is killed takes with it
what it counted since it last told, `EVERY` seconds at most; the records themselves are not counted
here but by their moves. Where the store did not answer, nobody knows whether it has added: what was
told then is told again, so a count may be too high after an outage, never too low.
"""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from threading import Lock, Thread

from structlog import get_logger

from tasks.connection import store_errors
from tasks.errors import Error, Road
from tasks.store import Store

EVERY = 2.0
"""Seconds between two tellings."""

BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
"""Upper bounds in seconds of the buckets of latency; an exchange is given up after 20."""

MOST_LETTERS = 64
"""Most letters of an error code, which comes from outside; a longer one is counted as `other`."""

STATUSES = frozenset(HTTPStatus)

SILENT_MS = 15_000
"""A worker that told nothing for so long is taken for dead."""


class Tally:
    """The counts of one process since it last told; its threads share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[str] = Counter()

    def callback(self, outcome: str) -> None:
        """Count one delivery to the door."""
        with self._lock:
            self._counts[f"callback:{outcome}"] += 1

    def answer(self, road: Road, seconds: float, status: int | None) -> None:
        """Count one exchange with the provider; without a status there was no usable answer."""
        bucket = bisect_left(BOUNDS, seconds)
        said = "none" if status is None else status if status in STATUSES else "other"
        self._add(
            {
                f"answer:{road}:{said}": 1,
                f"bucket:{road}:{bucket}": 1,
                f"micros:{road}": round(seconds * 1_000_000),
            }
        )

    def errors(self, codes: Iterable[str]) -> None:
        """Count errors by the provider's code; the empty code is none."""
        self._add(Counter(f"error:{_known(code)}" for code in codes if code))

    def tell(self, store: Store, worker: str) -> list[str]:
        """Add the counts to those of the store; `worker` lives (empty: this is none).

        Returns the names of the workers that live; none where nothing was to be told.

        Raises:
            StoreAway, StoreRefused: they are kept, to be told with the next; so on any other error.
        """
        with self._lock:
            told, self._counts = self._counts, Counter()
        if not told and not worker:
            return []
        flat = [part for pair in told.items() for part in pair]
        try:
            living = store.scripts.run("measure", worker, SILENT_MS, *flat)
        except Exception:
            self._add(told)
            raise
        return [name.decode() for name in living]

    def _add(self, counts: Mapping[str, int]) -> None:
        with self._lock:
            self._counts.update(counts)


def leave(store: Store, worker: str) -> None:
    """Say that a worker has ended."""
    with store_errors():
        store.client.zrem(store.keys("workers"), worker)


def _known(code: str) -> str:
    is_code = code.isascii() and code.isalnum() and len(code) <= MOST_LETTERS
    return code if is_code else "other"


class Teller(Thread):
    """Tells the store every `EVERY` seconds, over a connection of its own."""

    def __init__(
        self,
        tally: Tally,
        store: Store,
        worker: str = "",
        also: Callable[[], None] | None = None,
        hear: Callable[[list[str]], None] = lambda _: None,
    ) -> None:
        super().__init__(name="teller", daemon=True)
        self._tally, self._store, self._worker = tally, store, worker
        self._also = also  # done each time before it tells
        self._hear = hear  # told each time which workers live
        self._trouble = ""

    def run(self) -> None:
        """Tell for as long as the process lives; what the store did not take is told later."""
        while True:
            time.sleep(EVERY)
            try:
                if self._also:
                    self._also()
                self._hear(self._tally.tell(self._store, self._worker))
            except Exception as exc:  # noqa: BLE001  a right that is lacking now may be given back
                self._say(str(exc) if isinstance(exc, Error) else type(exc).__name__)
            else:
                self._say("")

    def _say(self, trouble: str) -> None:
        """Log what keeps it from telling, or that nothing does any more; once, not every time."""
        if trouble and trouble != self._trouble:
            get_logger().warning("counts.kept", reason=trouble)
        elif self._trouble and not trouble:
            get_logger().info("counts.told")
        self._trouble = trouble
