"""Following a batch until it has ended: a bar on a terminal, plain lines elsewhere."""

import threading
import time
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from batches.view import failed
from tasks import reading
from tasks.errors import Error, StoreAway
from tasks.job import State
from tasks.money import usd
from tasks.reading import Batch
from tasks.store import Store

EVERY = 0.25
"""Seconds between looks at the store."""
QUIET = 10.0
"""Longest silence in seconds where no terminal shows a bar."""
OFTEN = 1.0
"""Shortest time in seconds between two lines there."""
AWAY = "the store does not answer"

_OPEN = (State.QUEUED, State.SUBMITTING, State.RESOLVING, State.PROCESSING)


def follow(store: Store, batch_id: str, console: Console, stop: threading.Event) -> Batch:
    """Show a batch's progress until it has ended or `stop` is set; returns how it stands.

    Raises:
        Error: the batch is gone, or the store never answered.
    """
    looks = _looks(store, batch_id, stop)
    last = _bar(looks, console) if console.is_terminal else _lines(looks, console)
    if last is None:
        raise Error(f"nothing could be learned of batch {batch_id}: {AWAY}")
    return last


Look = tuple[Batch | None, str]
"""The batch, None while the store is away; and its counters in a line."""


def _looks(store: Store, batch_id: str, stop: threading.Event) -> Iterator[Look]:
    """Look at the batch again and again, until it has ended."""
    while True:
        try:
            batch = reading.batch(store, batch_id)
            paused = store.paused().get("*", "")
        except StoreAway:
            yield None, AWAY
        else:
            if batch is None:
                raise Error(f"batch {batch_id} is no longer in the store")
            yield batch, counts(batch, paused or batch.paused)
            if batch.sealed and batch.open == 0:
                return
        if stop.wait(EVERY):
            return


def _bar(looks: Iterator[Look], console: Console) -> Batch | None:
    last: Batch | None = None
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[told]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("waiting", total=None, told="")
        for batch, line in looks:
            last = batch or last
            progress.update(bar, told=line)
            if batch:
                ended = batch.total - batch.open
                progress.update(
                    bar, description=escape(batch.name), total=batch.total, completed=ended
                )
    return last


def _lines(looks: Iterator[Look], console: Console) -> Batch | None:
    last: Batch | None = None
    said, said_at = "", 0.0
    for batch, line in looks:
        last = batch or last
        quiet = time.monotonic() - said_at
        if quiet > QUIET or (line != said and quiet > OFTEN):
            console.print(line, markup=False)
            said, said_at = line, time.monotonic()
    return last


def counts(batch: Batch, paused: str) -> str:
    """Return a batch's counters in a line: why it stands still, states that occur, cost."""
    states = [(batch.states[state], str(state)) for state in _OPEN]
    states += [(batch.states[State.COMPLETED], "ok"), (failed(batch), "failed")]
    states += [(batch.states[State.CANCELLED], "cancelled")]
    occurring = ", ".join(f"{count} {word}" for count, word in states if count)
    reason = f"PAUSED: {paused}" if paused else ""
    return " · ".join(filter(None, [reason, occurring, f"{usd(batch.cost)} USD"]))
