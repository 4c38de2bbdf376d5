"""Child processes in order: started when the one before is ready, restarted, ended together."""

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TextIO

from console import orphan
from console.logs import Echo, Log

_START_TICK = 0.1
_TICK = 0.2
_BACKOFF = 0.5
_DEATHS = 5
_DEATHS_WITHIN = 60.0
_REAP = 0.5
# Leaves a second of the ten promised for reaping and for reading last lines.
_STOP_WITHIN = 9.0


@dataclass(frozen=True)
class Child:
    """A program to keep running; `repr`, and so a traceback, tells neither argv nor environment."""

    name: str
    """Names the log file and the lines on the terminal; unique."""
    argv: Sequence[str] = field(repr=False)
    env: Mapping[str, str] = field(repr=False)
    """Its whole environment: nothing is inherited."""
    ready: Callable[[], bool | str] = field(default=lambda: True, repr=False)
    """Asked until True after each start; a text says why not. Nothing else is noticed meanwhile, so
    it answers soon."""
    ready_within: float = 10.0
    """Seconds from start to ready."""
    stop_within: float = 4.5
    """Seconds from SIGTERM to SIGKILL; fewer where all together would take more than ten."""


class ChildFailed(Exception):
    """A child died too early or too often, or was not ready in time; all have been stopped.

    Attributes:
        name: The child's.
        what: What happened, in words that follow the name.
        status: Its exit status, negative for a signal; None if it had not ended by itself.
        tail: The last lines it printed, at most 15.
    """

    def __init__(self, name: str, what: str, status: int | None, tail: tuple[str, ...]) -> None:
        super().__init__(name, what, status, tail)
        self.name, self.what, self.status, self.tail = name, what, status, tail

    def __str__(self) -> str:
        lines = "".join(f"\n  {line}" for line in self.tail)
        return f"{self.name} {self.what}" + (f"; its last lines:{lines}" if lines else "")


class Supervisor:
    """Starts children in order, restarts those that die, and ends them all.

    All is called from one thread that lives as long as the program, the main thread: on Linux a
    child ends with the thread that started it (see `console.orphan`), which is also why `watch`
    restarts in its caller's thread. Signal handlers only set the event given to `start` and
    `watch`. As a context manager it stops at the end.

    Args:
        children: In the order to start them; on the first all others stand.
        logs: Folder for `<name>.log`.
        records: Folder for `children.json`, which `orphan.end_leftovers` reads.
        echo: Where to show the children's lines, if anywhere.
        quiet: Show of them only what does not go as it should; the logs have all.
    """

    def __init__(
        self,
        children: Sequence[Child],
        *,
        logs: Path,
        records: Path,
        echo: TextIO | None = None,
        quiet: bool = False,
    ) -> None:
        self._children = children
        self._places: list[_Place] = []
        self._logs = logs
        self._records = records
        self._behind = False  # the record, which could not be written
        names = [child.name for child in children]
        self._echo = Echo(echo, names, quiet=quiet) if echo else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, stop: threading.Event) -> None:
        """Start each child once the one before it is ready.

        Args:
            stop: Once set, the call returns within 0.1 s; what runs then is for `stop()` to end.

        Raises:
            ChildFailed: A child died or was not ready in time. All are stopped.
            OSError: A log, the record or a process could not be made. All are stopped.
        """
        with self._all_or_none():
            for child in self._children:
                if stop.is_set():
                    return
                self._places.append(_Place(child, Log(self._logs, child.name, self._echo)))
                self._record()
                self._await_ready(stop)

    def watch(self, stop: threading.Event) -> None:
        """Restart children that die: 0.5 s after the first death, twice as long after each further.

        The fifth death within a minute ends all. A restarted child that is not ready in time counts
        as dead, and such deaths are not forgotten before it is ready again. A record that cannot be
        written, on a full disk, say, is noted in the log and tried again every 0.2 s.

        Args:
            stop: Once set, the call returns within 0.2 s; what runs then is for `stop()` to end.

        Raises:
            ChildFailed: A child died too often. All are stopped.
            OSError: A process could not be made. All are stopped.
        """
        with self._all_or_none():
            while not stop.wait(_TICK):
                if self._behind:
                    self._try_to_record()
                for place in self._places:
                    if place.tend() and (problem := self._try_to_record()):
                        place.note(f"children.json cannot be written ({problem}); tried again")

    def stop(self) -> None:
        """End all within ten seconds: all but the first together, then the first.

        Each is sent SIGTERM, the last started first. What is left of its process group once it has
        ended, or its `stop_within` is over, gets SIGKILL. Does nothing where nothing runs.

        Raises:
            OSError: The record cannot be written.
        """
        give_up = time.monotonic() + _STOP_WITHIN
        first, others = self._places[:1], self._places[:0:-1]
        _end(others, give_up - sum(place.child.stop_within for place in first))
        _end(first, give_up)
        for place in self._places:
            place.hear_out(give_up + _REAP)
        self._record()
        self._places.clear()

    @contextmanager
    def _all_or_none(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.stop()
            raise

    def _await_ready(self, stop: threading.Event) -> None:
        while not stop.is_set():
            # All of them: were the store to die now, the child that waits for it would be blamed.
            for place in self._places:
                if what := place.trouble():
                    raise place.failed(what)
            if self._places[-1].ready:
                return
            stop.wait(_START_TICK)

    def _try_to_record(self) -> str:
        """Record what runs; returns what is in the way, and then it is behind."""
        try:
            self._record()
        except OSError as exc:
            self._behind = True
            return exc.strerror or str(exc)
        self._behind = False
        return ""

    def _record(self) -> None:
        running = [place for place in self._places if place.process.poll() is None]
        orphan.record(self._records, {place.child.name: place.process.pid for place in running})


class _Place:
    """One child's process, and the deaths of those before it."""

    def __init__(self, child: Child, log: Log) -> None:
        self.child = child
        self._log = log
        self._deaths: list[float] = []
        self._start()

    def _start(self) -> None:
        self.process = orphan.spawn(self.child.argv, self.child.env)
        self._reader = self._log.follow(self.process)
        self._ready_by = time.monotonic() + self.child.ready_within
        self._again_at = 0.0
        self.ready = False
        self._killed = False

    def trouble(self) -> str | None:
        """Ask whether it lives and, until it once was, whether it is ready; say what is wrong."""
        if (status := self.process.poll()) is not None:
            return (
                f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
            )
        found = self.ready or self.child.ready()
        self.ready = found is True
        if self.ready or time.monotonic() < self._ready_by:
            return None
        why = f" ({found})" if found else ""
        return f"was not ready within {self.child.ready_within:g} s{why}"

    def tend(self) -> bool:
        """Clear away a process in trouble, start one that has rested; return whether it started."""
        if self._killed and time.monotonic() >= self._again_at:
            self._start()
            return True
        if not self._killed and (what := self.trouble()):
            self._mourn(what)
        return False

    def _mourn(self, what: str) -> None:
        now = time.monotonic()
        if self.ready:
            self._deaths = [died for died in self._deaths if now - died < _DEATHS_WITHIN]
        self._deaths.append(now)
        if len(self._deaths) == _DEATHS:
            raise self.failed(f"{what}, its death number {_DEATHS} in a row")
        self.kill()
        rest = _BACKOFF * 2 ** (len(self._deaths) - 1)
        self._log.note(f"{what}; starts again in {rest:g} s")
        self._again_at = now + rest

    def note(self, text: str) -> None:
        """Write a line of ours about the child to its log."""
        self._log.note(text)

    def failed(self, what: str) -> ChildFailed:
        """Clear away a process in trouble, and return the error that tells of it."""
        status = self.process.poll()
        self.kill()
        self.hear_out(time.monotonic() + _REAP)
        return ChildFailed(self.child.name, what, status, self._log.tail())

    def terminate(self) -> None:
        """Ask the process to end; it looks after its own children."""
        if not self._killed:
            self.process.terminate()

    def kill(self, *, at: float = 0.0) -> None:
        """Kill what is left of the process group once the process has ended, or at that time.

        The children of a dead one go too: they hold the port that the next one needs.
        """
        # Once only: later the number may be a stranger's.
        if self._killed:
            return
        self._wait(at - time.monotonic())
        orphan.signal_group(self.process.pid, signal.SIGKILL)
        self._wait(_REAP)
        self._killed = True

    def hear_out(self, until: float) -> None:
        """Wait for the last lines, which a grandchild in another session may hold back for ever."""
        self._reader.join(max(0.0, until - time.monotonic()))

    def _wait(self, seconds: float) -> None:
        # Silenced, not raised on: the message of this error spells the whole argv.
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, seconds))


def _end(places: Sequence[_Place], give_up: float) -> None:
    now = time.monotonic()
    for place in places:
        place.terminate()
    # By patience, so that none overstays while another is waited for.
    for place in sorted(places, key=lambda place: place.child.stop_within):
        place.kill(at=min(now + place.child.stop_within, give_up))
