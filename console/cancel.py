"""`reelqueue cancel`: give up a batch or some of its jobs."""

from collections import Counter
from pathlib import Path

import click
from rich.progress import Progress

from batches import orders
from console.choosing import Named, chosen, confirm, jobs_of, where, which_jobs
from console.context import open_store, progress_console, told
from tasks.job import OPEN
from tasks.reading import Batch
from tasks.store import Store


@click.command(short_help="Give up a batch, or some of its jobs.")
@which_jobs
@click.option("--yes", is_flag=True, help="Do not ask.")
@told
def cancel(
    name: str | None,
    custom_ids: tuple[str, ...],
    ids_from: Path | None,
    jobs: tuple[str, ...],
    *,
    yes: bool,
) -> None:
    """Give up all open jobs of batch NAME, or those that --id or --job name.

    Nothing of them is sent from now on. What is at the provider cannot be stopped: it is billed,
    and its results are kept, flagged as late. `reelqueue retry` takes jobs up again. A cancelling
    that is interrupted is completed by the running worker, or by the same command.
    """
    which = Named(name, custom_ids, ids_from, jobs)
    settings, store = open_store()
    batch, ids = chosen(settings, store, which)
    whole = batch is not None and not ids
    count = _open(store, batch, ids)
    if not count and not (whole and batch and (batch.cancelling or not batch.sealed)):
        _say(f"nothing to cancel{where(batch)}: no open job")
        return
    confirm(f"Cancel {jobs_of(count)}{where(batch)}?", yes=yes)
    became = (
        _cancel_batch(store, batch)
        if batch and whole
        else orders.cancel(store, orders.pages(store, batch, ids))
    )
    _report(store, batch, became)


def _open(store: Store, batch: Batch | None, ids: list[str]) -> int:
    if batch and not ids:
        return batch.open
    return sum(job.state in OPEN for page in orders.pages(store, batch, ids) for job in page)


def _cancel_batch(store: Store, batch: Batch) -> Counter[str]:
    out = progress_console()
    with Progress(console=out, transient=True, disable=not out.is_terminal) as progress:
        bar = progress.add_task("cancelling", total=batch.total)
        return orders.cancel_batch(store, batch, lambda seen: progress.update(bar, completed=seen))


def _report(store: Store, batch: Batch | None, became: Counter[str]) -> None:
    sent, unsent = became["sent"], became["unsent"]
    _say(f"{jobs_of(sent + unsent)}{where(batch)} cancelled")
    if unsent:
        _say(f"{unsent:,} not at the provider: nothing more is billed for them")
    if sent:
        _say(
            f"{sent:,} at the provider, or perhaps: it cannot be told to stop and bills what it "
            "has; results are kept as late"
        )
    if became["ended"]:
        _say(f"{became['ended']:,} had ended before: left as they are")
    if batch and not batch.sealed:
        _say("its submission was not complete: what it had not queued yet stays out")
    if sent and not store.has_ticker():
        _say("nothing is running to collect what is at the provider: reelqueue up")


def _say(line: str) -> None:
    progress_console().print(line, markup=False)
