"""Following a batch until it has ended: a bar on a terminal, plain lines elsewhere."""

import threading
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from batches.view import sentence
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

_OPEN = (State.QUEUED, State.SUBMITTING, State.RESOLVING, State.PROCESSING)


def follow(store: Store, batch_id: str, console: Console, stop: threading.Event) -> Batch:
    """Show a batch's progress until it has ended or `stop` is set; returns how it stands.

    Raises:
        Error: the batch is gone.
    """
    if console.is_terminal:
        return _bar(store, batch_id, console, stop)
    return _lines(store, batch_id, console, stop)


def _looks(store: Store, batch_id: str, stop: threading.Event) -> Iterator[Batch | None]:
    """Yield the batch again and again; None while the store is away."""
    while True:
        try:
            batch = reading.batch(store, batch_id)
        except StoreAway:
            yield None
        else:
            if batch is None:
                raise Error(f"batch {batch_id} is no longer in the store")
            yield batch
            if batch.sealed and batch.open == 0:
                return
        if stop.wait(EVERY):
            return


def _bar(store: Store, batch_id: str, console: Console, stop: threading.Event) -> Batch:
    last: Batch | None = None
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=False) as progress:
        bar = progress.add_task("waiting", told="")
        for batch in _looks(store, batch_id, stop):
            if batch is None:
                progress.update(bar, told="the store does not answer")
                continue
            last = batch
            progress.update(
                bar,
                description=batch.name,
                total=batch.total,
                completed=batch.total - batch.open,
                told=counts(batch),
            )
    return _known(last, batch_id)


def _lines(store: Store, batch_id: str, console: Console, stop: threading.Event) -> Batch:
    last: Batch | None = None
    said, said_at = "", 0.0
    for batch in _looks(store, batch_id, stop):
        line = f"{batch.name} {counts(batch)}" if batch else "the store does not answer"
        if line != said or time.monotonic() - said_at > QUIET:
            console.print(line, markup=False)
            said, said_at = line, time.monotonic()
        last = batch or last
    return _known(last, batch_id)


def _known(batch: Batch | None, batch_id: str) -> Batch:
    if batch is None:
        raise Error(f"nothing could be learned of batch {batch_id}: the store does not answer")
    return batch


def counts(batch: Batch) -> str:
    """Return a batch's counters in a line: open states, then how it stands, then its cost."""
    running = [f"{batch.states[state]} {state}" for state in _OPEN if batch.states[state]]
    paused = f"PAUSED ({batch.paused})" if batch.paused else ""
    cost = f"{usd(batch.cost)} USD"
    return " · ".join(filter(None, [paused, ", ".join(running), sentence(batch), cost]))
