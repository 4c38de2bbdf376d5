"""`reelqueue pause`: claim nothing until `resume`."""

import click

from batches.view import counters
from console.context import find, open_store, progress_console, told
from console.plain import plain
from tasks import reading, verbs
from tasks.store import Store

NO_REASON = "no reason given"
MOST_CHARACTERS = 200


def reason_text(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """Refuse a --reason that is too long or cannot be shown.

    Raises:
        click.BadParameter: as a usage error, exit code 2.
    """
    if len(value) > MOST_CHARACTERS:
        raise click.BadParameter(f"{len(value)} characters; at most {MOST_CHARACTERS}")
    return plain(value).strip() or NO_REASON


@click.command(short_help="Send nothing more of a batch until it is resumed.")
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="All batches, those to come too.")
@click.option("--reason", default="", callback=reason_text, help="Shown wherever it waits.")
@told
def pause(name: str | None, *, everything: bool, reason: str) -> None:
    """Send nothing more of batch NAME until `reelqueue resume NAME`.

    What is at the provider goes on, and is collected and billed.
    """
    if everything == (name is not None):
        raise click.UsageError("give either the batch's NAME or --all")
    _, store = open_store()
    out = progress_console()
    if name is None:
        verbs.hold(store, verbs.EVERYTHING, reason)
        out.print("all batches are paused; reelqueue resume --all goes on", markup=False)
        return
    batch = find(store, name)
    verbs.hold(store, batch.id, reason)
    out.print(
        f"batch {batch.name} is paused{_waiting(store, batch.id)}; "
        f"reelqueue resume {batch.name} goes on",
        markup=False,
    )


def _waiting(store: Store, batch_id: str) -> str:
    batch = reading.batch(store, batch_id)
    told_ = counters(batch.states) if batch else ""
    return f" ({told_})" if told_ else ""
