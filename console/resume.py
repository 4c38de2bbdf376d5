"""`reelqueue resume`: go on after a pause, the user's or the provider's."""

import click

from batches.budget import stopped
from batches.view import half_recorded
from console.context import find, open_store, progress_console, told
from console.plain import plain
from tasks import reading, verbs
from tasks.store import Store


@click.command(short_help="Go on after a pause.")
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="End the pause of all batches.")
@told
def resume(name: str | None, *, everything: bool) -> None:
    """Go on with batch NAME, or with --all after a pause of all.

    A pause that the provider caused (key, credit) ends too, before its time.
    """
    if everything == (name is not None):
        raise click.UsageError("give either the batch's NAME or --all")
    _, store = open_store()
    if name is None:
        _everything(store)
    else:
        _one(store, name)
    if not store.has_ticker():
        _say("nothing is running: reelqueue up")


def _one(store: Store, name: str) -> None:
    batch = find(store, name)
    did = verbs.resume(store, batch.id)
    if batch.is_spent:  # which no resume ends
        _say(f"batch {batch.name} is {stopped(batch)}")
    else:
        _say(f"batch {batch.name} {'goes on' if did else 'was not paused'}")
    if half_recorded(batch):
        _say(half_recorded(batch))
    reason = store.paused().get(verbs.EVERYTHING) or verbs.held(store)
    if reason:
        _say(f"all batches are paused, this one too: {plain(reason)}; reelqueue resume --all")


def _everything(store: Store) -> None:
    did = verbs.resume(store, verbs.EVERYTHING)
    for batch in reading.batches(store):
        if batch.paused and not batch.held:
            did |= verbs.resume(store, batch.id)
    _say("all batches go on" if did else "there was no pause of all batches")
    for batch in reading.batches(store):
        if batch.held:
            _say(f"paused by its name: {plain(batch.name)}; reelqueue resume {batch.name}")


def _say(line: str) -> None:
    progress_console().print(line, markup=False)
