"""`reelqueue watch`: follow a batch; leaving leaves it running."""

import threading

import click

from batches.view import failed, sentence
from console.context import INTERRUPTED, SOME_FAILED, find, open_store, progress_console, told
from console.progress import follow
from console.running import stop_on_signals
from tasks.job import State
from tasks.money import usd
from tasks.reading import Batch
from tasks.store import Store


@click.command()
@click.argument("name")
@told
def watch(name: str) -> None:
    """Follow batch NAME until it has ended. Ctrl-C leaves it running."""
    _, store = open_store()
    batch = find(store, name)
    if not store.has_ticker() and batch.open:
        progress_console().print("Nothing is running: start `reelqueue up`.")
    raise SystemExit(watch_batch(store, batch.id, stop_on_signals()))


def watch_batch(store: Store, batch_id: str, stop: threading.Event) -> int:
    """Follow a batch and say how it ended.

    Returns:
        0 where all went well, 3 where some jobs failed, 130 where it was left.
    """
    out = progress_console()
    try:
        batch = follow(store, batch_id, out, stop)
    except KeyboardInterrupt:
        batch = find(store, batch_id)
    if not batch.sealed or batch.open:
        out.print(f"It goes on without you. Follow it again: reelqueue watch {batch.name}")
        return INTERRUPTED
    out.print(f"{batch.name} {sentence(batch)}, {usd(batch.cost)} USD", markup=False)
    return ended_code(batch)


def ended_code(batch: Batch) -> int:
    """Return the exit code of an ended batch."""
    return SOME_FAILED if failed(batch) or batch.states[State.CANCELLED] else 0
