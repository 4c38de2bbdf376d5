"""`reelqueue priority`: how often a batch is served beside others."""

import click

from console.context import find, open_store, progress_console, told
from tasks import verbs


@click.command(short_help="Serve a batch more or less often than others.")
@click.argument("name")
@click.argument("priority", type=click.IntRange(1, 100), metavar="N")
@told
def priority(name: str, priority: int) -> None:
    """Serve batch NAME N times (1 to 100) as often as one of priority 1, from now on.

    A new batch has 1. Batches take turns: a small one behind a huge one starts at once anyway.
    """
    _, store = open_store()
    batch = find(store, name)
    had = verbs.prioritize(store, batch.id, priority)
    progress_console().print(f"batch {batch.name} has priority {priority}, had {had}", markup=False)
