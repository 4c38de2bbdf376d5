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


@click.command(short_help="Follow a batch until it has ended.")
@click.argument("name")
@told
def watch(name: str) -> None:
    """Follow batch NAME until it has ended. Ctrl-C leaves it running.

    Exit codes: 0 all jobs went well, 3 some failed, 130 left with Ctrl-C.
    """
    _, store = open_store()
    batch = find(store, name)
    if batch.open and not store.has_ticker():
        progress_console().print("Nothing is running here: start `reelqueue up`.")
    raise SystemExit(watch_batch(store, batch.id, stop_on_signals(), goes_on(batch.name)))


def goes_on(name: str) -> str:
    """Return what to tell whoever leaves a batch that others work on."""
    return f"It goes on without you. Follow it again: reelqueue watch {name}"


def watch_batch(store: Store, batch_id: str, stop: threading.Event, left: str) -> int:
    """Follow a batch and say how it ended.

    Args:
        store: Where it is.
        batch_id: Of the batch.
        stop: Set, to leave.
        left: What to say where it was left.

    Returns:
        0 where all went well, 3 where some jobs failed, 130 where it was left.
    """
    out = progress_console()
    batch = follow(store, batch_id, out, stop)
    out.print(f"{batch.name} {sentence(batch)}, {usd(batch.cost)} USD", markup=False)
    if not batch.sealed or batch.open:
        out.print(left, markup=False)
        return INTERRUPTED
    return ended_code(batch)


def ended_code(batch: Batch) -> int:
    """Return the exit code of an ended batch."""
    return SOME_FAILED if failed(batch) or batch.states[State.CANCELLED] else 0
