"""What children print: one bounded file each, and lines under their names for the terminal.

The file is JSON Lines whatever a child prints; a terminal gets text.
"""

import json
import re
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from io import StringIO
from itertools import cycle
from pathlib import Path
from subprocess import Popen
from typing import IO, Any, TextIO, cast

from rich.console import Console
from rich.text import Text

from console.plain import clean
from tasks.log import as_text

_ROTATE_AT = 10 * 1024 * 1024
_LONGEST_LINE = 65_536
_TAIL = 15
_COLOURS = ("cyan", "magenta", "green", "yellow", "blue")

# What our processes write of things that go as they should.
_ROUTINE = re.compile(r"\d\d:\d\d:\d\d \[(info|debug)\s*\]")
_STAMP = re.compile(r"\d\d:\d\d:\d\d ")
_REPEATED = 10.0
"""Seconds in which another line that begins alike is not shown again."""
_ALIKE = 32
"""Characters after the time that make two lines alike: a log line's level and event."""

# A full disk, a closed terminal or one that cannot spell a line must not end the reading: a child
# whose pipe nobody reads stands still. ValueError is how Python says "closed".
_UNWRITABLE = (OSError, ValueError)


def event_of(text: str) -> Mapping[str, Any] | None:
    """Return the event that a line of JSON is; None where it is another's line."""
    try:
        event: dict[str, Any] = json.loads(text) if text.startswith("{") else {}
        as_text(event)
    except (ValueError, LookupError, TypeError):
        return None
    return event


class Echo:
    """Writes lines as `name | line`; names in colour where rich finds a terminal that wants it.

    Args:
        to: Where to.
        names: Of the children.
        quiet: Leave out what goes as it should, and what was just shown.
    """

    def __init__(self, to: TextIO, names: Sequence[str], *, quiet: bool = False) -> None:
        self._to = to
        self._quiet = quiet
        self._shown: dict[tuple[str, str], float] = {}
        self._repeats: set[str] = set()  # names whose last stamped line was left out as one
        self._encoding = to.encoding or "utf-8"
        self._lock = threading.Lock()
        # Said outright, or FORCE_COLOR would send escapes into a file. Rich writes what it has, if
        # only nothing, so that it gets no stream which may fail.
        console = Console(file=StringIO(), force_terminal=to.isatty())
        width = max(map(len, names), default=0)
        self._heads = {
            name: _styled(console, name.ljust(width), colour)
            for name, colour in zip(names, cycle(_COLOURS), strict=False)
        }

    def line(self, name: str, mark: str, text: str) -> None:
        """Write an event; mark is `|` before a child's words and `!` before ours about it."""
        if self._quiet and mark == "|" and not self._is_news(name, text):
            return
        spelled = text.encode(self._encoding, "replace").decode(self._encoding)
        with self._lock, suppress(*_UNWRITABLE):
            for line in spelled.split("\n"):  # of an event with a traceback
                self._to.write(f"{self._heads[name]} {mark} {line}\n")
            self._to.flush()

    def _is_news(self, name: str, text: str) -> bool:
        if not text.strip() or _ROUTINE.match(text):
            return False
        if not _STAMP.match(text):  # a traceback, say, which goes with the line before it
            return name not in self._repeats
        now, alike = time.monotonic(), (name, _STAMP.sub("", text)[:_ALIKE])
        if now - self._shown.get(alike, -_REPEATED) < _REPEATED:
            self._repeats.add(name)
            return False
        self._repeats.discard(name)
        self._shown = {k: at for k, at in self._shown.items() if now - at < _REPEATED}
        self._shown[alike] = now
        return True


class Log:
    """One child's lines, over all its restarts: a file, the last few in memory, and the echo.

    The file is `<folder>/<name>.log`; at 10 MiB it becomes `<name>.log.1`, and the one before goes.

    Raises:
        OSError: The folder or the file cannot be made.
    """

    def __init__(self, folder: Path, name: str, echo: Echo | None) -> None:
        self._path = folder / f"{name}.log"
        self._make()
        self._name = name
        self._echo = echo
        self._tail: deque[str] = deque(maxlen=_TAIL)
        self._lock = threading.Lock()

    def follow(self, process: Popen[bytes]) -> threading.Thread:
        """Read a child's output to its end in a thread of its own, and close it.

        The thread is a daemon: a grandchild in another session may hold the pipe for ever.
        """
        pipe = cast("IO[bytes]", process.stdout)
        reader = threading.Thread(target=self._read, args=(pipe,), name=self._name, daemon=True)
        reader.start()
        return reader

    def note(self, text: str) -> None:
        """Write a line of ours about the child."""
        self._write("!", text, self._wrapped("warning", text))

    def tail(self) -> tuple[str, ...]:
        """Return the child's last lines, at most 15, oldest first."""
        with self._lock:
            return tuple(self._tail)

    def _read(self, pipe: IO[bytes]) -> None:
        with pipe:
            # Bounded, for a child that never ends its line.
            while raw := pipe.readline(_LONGEST_LINE):
                text = clean(raw)
                if not text.strip():
                    continue
                event = event_of(text)
                shown = as_text(event) if event else text
                with self._lock:
                    self._tail.extend(shown.splitlines() or [""])
                self._write("|", shown, text if event else self._wrapped("info", text))

    def _wrapped(self, level: str, text: str) -> str:
        """Return the event that stands in the file for a line that is none."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return json.dumps(
            {"timestamp": now, "level": level, "event": text, "logger": self._name},
            separators=(",", ":"),
        )

    def _write(self, mark: str, shown: str, kept: str) -> None:
        with self._lock, suppress(*_UNWRITABLE):
            self._keep(kept.encode() + b"\n")
        if self._echo:
            self._echo.line(self._name, mark, shown)

    def _make(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.touch(mode=0o600)

    def _keep(self, line: bytes) -> None:
        if not self._path.exists():  # someone has tidied up
            self._make()
        with self._path.open("ab") as file:
            file.write(line)
            full = file.tell() >= _ROTATE_AT
        if full:
            self._path.replace(self._path.with_suffix(".log.1"))


def _styled(console: Console, name: str, colour: str) -> str:
    with console.capture() as capture:
        console.print(Text(name, style=colour), end="", soft_wrap=True)
    return capture.get()
