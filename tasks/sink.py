"""Logs must not stop the work: a full disk or a pipe that nobody reads costs log lines only."""

import atexit
import os
from collections import deque
from contextlib import suppress
from select import PIPE_BUF, select
from threading import Event, Thread

MOST_LINES = 1000
"""Lines kept while the stream is stuck; later ones are dropped."""

GATHERING = 0.02
"""Seconds after a line in which others may join it: to wake a thread for each takes longer than all
else of a line."""

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
        self._lines: deque[bytes] = deque()
        self._more, self._closed = Event(), Event()
        self._writer = Thread(target=self._write_all, name="log", daemon=True)
        self._writer.start()
        atexit.register(self.close)

    def write(self, text: str) -> int:
        """Take the text; it is written soon, or dropped."""
        if len(self._lines) < MOST_LINES:
            self._lines.append(text.encode("utf-8", "backslashreplace"))
            if not self._more.is_set():
                self._more.set()
        return len(text)

    def flush(self) -> None:
        """Do nothing: lines are written a moment later."""

    def close(self) -> None:
        """Wait a moment until what was taken is written."""
        self._closed.set()
        self._more.set()
        self._writer.join(LAST_SECONDS)

    def _write_all(self) -> None:
        while not self._closed.is_set():
            self._more.wait()
            self._closed.wait(GATHERING)
            self._more.clear()
            while self._lines:
                with suppress(OSError):
                    os.write(self._fd, self._several())

    def _several(self) -> bytes:
        """Return the lines that a pipe takes whole, at least one: others write to it, too."""
        taken = [self._lines.popleft()]
        size = len(taken[0])
        while self._lines and (size := size + len(self._lines[0])) <= PIPE_BUF:
            taken.append(self._lines.popleft())
        return b"".join(taken)
