"""Chunks of rows, recorded in order by a thread while the next ones are prepared."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self


class Recorder:
    """Records chunks of rows, in their order, while the next ones are prepared."""

    AHEAD = 3

    def __init__(self, told: Callable[[int], None]) -> None:
        self._told = told
        self._thread = ThreadPoolExecutor(1, "recorder")
        self._going: deque[tuple[int, Future[None]]] = deque()
        self._failed = False

    def __enter__(self) -> Self:
        return self

    def add(self, rows: int, record: Callable[[], None]) -> None:
        """Record a chunk of `rows` rows after those before; tells of one that is recorded."""
        self._going.append((rows, self._thread.submit(self._run, record)))
        if len(self._going) > self.AHEAD:
            self._finish_first()

    def _run(self, record: Callable[[], None]) -> None:
        if self._failed:  # what comes after a chunk that failed would be out of order
            return
        self._failed = True
        record()
        self._failed = False

    def _finish_first(self) -> None:
        rows, going = self._going.popleft()
        going.result()
        self._told(rows)

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            while kind is None and self._going:
                self._finish_first()
        finally:
            self._thread.shutdown(cancel_futures=True)
