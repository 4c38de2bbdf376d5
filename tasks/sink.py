"""Logs must not stop the work: a full disk or a pipe that nobody reads costs log lines only."""

import atexit
import os
import queue
from contextlib import suppress
from select import PIPE_BUF, select
from threading import Thread

MOST_LINES = 1000
"""Lines kept while the stream is stuck; later ones are dropped."""

LAST_SECONDS = 0.5
"""Longest wait, on leaving, for lines that are not written yet."""


class Direct:
    """A text stream without a thread, for a process that forks. What cannot be written is lost."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, text: str) -> int:
        """Write piece by piece, each so small that a pipe that is ready takes it whole."""
        data = text.encode("utf-8", "backslashreplace")
        for start in range(0, len(data), PIPE_BUF):
            with suppress(OSError):
                if select([], [self._fd], [], 0)[1]:
                    os.write(self._fd, data[start : start + PIPE_BUF])
        return len(text)

    def flush(self) -> None:
        """Do nothing: each piece is one write."""


class Sink:
    """A text stream whose writers never wait and never fail."""

    def __init__(self, fd: int) -> None:
        self._fd = fd  # no file object: a thread stuck in one holds a lock that an exit waits for
        self._lines: queue.Queue[str | None] = queue.Queue(MOST_LINES)
        self._writer = Thread(target=self._write_all, name="log", daemon=True)
        self._writer.start()
        atexit.register(self.close)

    def write(self, text: str) -> int:
        """Take the text; it is written soon, or dropped."""
        with suppress(queue.Full):
            self._lines.put_nowait(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: each line is one write."""

    def close(self) -> None:
        """Wait a moment until what was taken is written."""
        with suppress(queue.Full):
            self._lines.put_nowait(None)
            self._writer.join(LAST_SECONDS)

    def _write_all(self) -> None:
        while (text := self._lines.get()) is not None:
            with suppress(OSError):
                os.write(self._fd, text.encode("utf-8", "backslashreplace"))
