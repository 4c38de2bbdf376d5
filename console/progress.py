"""Following a batch until it has ended: a screen on a terminal, lines elsewhere."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import click
from rich.console import Console
from rich.live import Live

from batches.view import describe_look
from console.context import reopened
from console.screen import AWAY, line, screen, situation
from tasks import progress
from tasks.errors import Error, StoreAway
from tasks.progress import Look, Waiting
from tasks.store import Store

EVERY = 0.5
"""Seconds between looks at the store."""
ABSENT = 2.5
"""Seconds without a worker until it is said: a new leader needs as long."""
ANEW = 10.0
"""Seconds after which the store is found anew by its name: who only reads is told of no fail-over,
and would look at the old server for as long as that lives."""
QUIET = 10.0
"""Longest silence in seconds where no terminal shows a screen."""
OFTEN = 1.0
"""Shortest time in seconds between two lines there."""


@dataclass(frozen=True)
class Seen:
    """The last look that succeeded, who waits longest, and whether the store is away now."""

    look: Look
    waiting: Waiting | None
    away: bool = False

    @property
    def is_over(self) -> bool:
        """Whether the batch has ended, or its limit stops the rest."""
        batch = self.look.batch
        return not self.away and batch.sealed and (batch.open == 0 or batch.is_spent)


class Watcher:
    """Looks at one batch again and again, over outages and new addresses of the store."""

    def __init__(self, store: Store, batch_id: str) -> None:
        self._store = store
        self._batch_id = batch_id
        self._opened_at = time.monotonic()
        self._worked_at = -ABSENT
        self.last: Seen | None = None

    def look(self) -> Seen:
        """Look once.

        Raises:
            StoreAway: the store does not answer.
            Error: the batch is gone.
        """
        look = progress.look(self._store, self._batch_id)
        if look is None:
            raise Error(f"batch {self._batch_id} is no longer in the store")
        now = time.monotonic()
        if look.works:
            self._worked_at = now
        elif now - self._worked_at < ABSENT:
            look = replace(look, works=True)
        waiting = progress.longest_waiting(self._store, look.batch) if look.batch.open else None
        return Seen(look, waiting)

    def until_over(self, stop: threading.Event) -> Iterator[Seen | None]:
        """Look until the batch has ended or `stop` is set; None while nothing was ever seen."""
        while True:
            try:
                if time.monotonic() - self._opened_at > ANEW:
                    self._reopen()
                self.last = self.look()
            except StoreAway:
                self.last = self.last and replace(self.last, away=True)
                self._reopen()
            yield self.last
            if (self.last and self.last.is_over) or stop.wait(EVERY):
                return

    def _reopen(self) -> None:
        self._store, self._opened_at = reopened(self._store), time.monotonic()


def follow(
    store: Store, batch_id: str, console: Console, stop: threading.Event, *, as_json: bool = False
) -> Look:
    """Show a batch's progress until it has ended or `stop` is set; returns how it stands.

    Raises:
        Error: the batch is gone, or the store never answered.
    """
    watcher = Watcher(store, batch_id)
    seen = watcher.until_over(stop)
    if as_json:
        _objects(seen)
    elif console.is_terminal and not console.is_dumb_terminal:
        _screens(seen)
    else:
        _lines(seen, console)
    if watcher.last is None:
        raise Error(f"nothing could be learned of batch {batch_id}: the store does not answer")
    return watcher.last.look


def _screens(looks: Iterator[Seen | None]) -> None:
    console = Console(stderr=True, highlight=False)
    width = console.width
    with Live(console=console, auto_refresh=False, transient=True) as live:
        for last in looks:
            if console.width != width:  # what stands there was broken in places nobody knows
                console.clear()
                width = console.width
            shown = screen(last.look, last.waiting, away=last.away) if last else AWAY
            live.update(shown, refresh=True)


def _lines(looks: Iterator[Seen | None], console: Console) -> None:
    for last in _worth_telling(looks):
        text = AWAY if last is None or last.away else line(last.look, last.waiting)
        console.print(text, markup=False)


def _objects(looks: Iterator[Seen | None]) -> None:
    for last in _worth_telling(looks):
        if last:
            told = describe_look(last.look, last.waiting)
            click.echo(json.dumps({**told, "store_away": last.away, "final": last.is_over}))


def _worth_telling(looks: Iterator[Seen | None]) -> Iterator[Seen | None]:
    """Yield what has changed, at most once a second, else each ten seconds; and the end."""
    told: object = ()
    told_at = -QUIET
    for seen in looks:
        now = time.monotonic()
        changed = (seen.away, *situation(seen.look)) if seen else None
        quiet = now - told_at
        if quiet >= QUIET or (changed != told and quiet >= OFTEN) or (seen and seen.is_over):
            yield seen
            told, told_at = changed, now
