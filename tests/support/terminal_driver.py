"""Runs the command on a terminal of 80 columns."""

import fcntl
import os
import pty
import re
import subprocess
import termios
from contextlib import suppress
from types import TracebackType
from typing import Self

from stack_driver import COMMAND, Place

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command whose input, output and errors are one terminal; ended with the block."""

    def __init__(self, place: Place, *args: str) -> None:
        self._outer, inner = pty.openpty()
        self.process = subprocess.Popen(
            [COMMAND, *args],
            env=place.env | {"TERM": "xterm", "COLUMNS": "80"},
            cwd=place.cwd,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
            # So that Ctrl-C reaches it; nothing else runs in this process between fork and exec.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )
        os.close(inner)
        os.set_blocking(self._outer, False)
        self._seen = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(15)
        os.close(self._outer)

    def type(self, keys: str) -> None:
        """Press keys; Ctrl-C is \\x03."""
        os.write(self._outer, keys.encode())

    def seen(self) -> str:
        """Return what was shown so far, without colours and cursor movements."""
        return _ESCAPES.sub("", self.raw()).replace("\r\n", "\n")

    def raw(self) -> str:
        """Return what was shown so far, as a terminal gets it."""
        with suppress(OSError):  # nothing more now, or the command has closed it
            while some := os.read(self._outer, 65536):
                self._seen += some
        return self._seen.decode("utf-8", "replace")

    def ended(self) -> bool:
        """Whether it has; reads on meanwhile, or a full terminal would hold it."""
        self.seen()
        return self.process.poll() is not None
