"""`reelqueue watch`: follow a batch; leaving leaves it running."""

import json
import threading

import click

from batches.budget import overshot, stopped, untold
from batches.view import describe_look, failed, sentence
from console.codes import INTERRUPTED, OVER_BUDGET, SOME_FAILED
from console.context import (
    data_console,
    find,
    open_store,
    progress_console,
    told,
)
from console.progress import Watcher, follow
from console.running import stop_on_signals
from console.screen import causes, screen
from tasks.job import State
from tasks.money import usd
from tasks.reading import Batch
from tasks.store import Store


@click.command(short_help="Follow a batch until it has ended.")
@click.argument("name")
@click.option("--once", is_flag=True, help="Show how it stands now, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print objects, one a line, on stdout.")
@told
def watch(name: str, *, once: bool, as_json: bool) -> None:
    """Follow batch NAME until it has ended. Ctrl-C leaves it running.

    On a terminal a screen is kept up to date; elsewhere a line is printed when something has
    changed, at most one a second and at least one each ten seconds. With --json the last object
    has "final": true.

    Exit codes: 0 all jobs went well, 3 some failed or were cancelled, 4 stopped by --max-cost, 130
    left with Ctrl-C; with --once 0.
    """
    _, store = open_store()
    batch = find(store, name)
    if once:
        _once(store, batch, as_json=as_json)
        return
    left = goes_on(batch.name)
    raise SystemExit(watch_batch(store, batch.id, stop_on_signals(), left, as_json=as_json))


def _once(store: Store, batch: Batch, *, as_json: bool) -> None:
    seen = Watcher(store, batch.id).look()
    if as_json:
        told_ = describe_look(seen.look, seen.waiting)
        click.echo(json.dumps({**told_, "store_away": False, "final": seen.is_over}))
    else:
        data_console().print(screen(seen.look, seen.waiting))


def goes_on(name: str) -> str:
    """Return what to tell whoever leaves a batch that others work on."""
    return f"It goes on without you. Follow it again: reelqueue watch {name}"


def watch_batch(
    store: Store, batch_id: str, stop: threading.Event, left: str, *, as_json: bool = False
) -> int:
    """Follow a batch and say how it ended.

    Args:
        store: Where it is.
        batch_id: Of the batch.
        stop: Set, to leave.
        left: What to say where it was left.
        as_json: Objects on standard output instead of a screen or lines.

    Returns:
        0 where all went well, 3 where some jobs failed or were cancelled, 4 where its limit stopped
        it, 130 where it was left.
    """
    out = progress_console()
    look = follow(store, batch_id, out, stop, as_json=as_json)
    batch = look.batch
    out.print(f"{batch.name} {sentence(batch)}, {usd(batch.cost)} USD", markup=False)
    for line in [] if as_json else causes(look):
        out.print(line, markup=False)
    for line in filter(None, (overshot(batch), untold(batch))):
        out.print(line, markup=False)
    if batch.is_spent:
        out.print(stopped(batch), markup=False)
        return OVER_BUDGET
    if not batch.sealed or batch.open:
        out.print(left, markup=False)
        return INTERRUPTED
    return ended_code(batch)


def ended_code(batch: Batch) -> int:
    """Return the exit code of an ended batch."""
    return SOME_FAILED if failed(batch) or batch.states[State.CANCELLED] else 0
