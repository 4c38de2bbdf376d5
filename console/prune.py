"""`reelqueue prune`: remove batches that are over."""

import re
import sys
from collections.abc import Sequence

import click

from console.context import find, open_store, progress_console, told
from tasks import pruning
from tasks.reading import Batch
from tasks.setting_kinds import DURATION, seconds_of
from tasks.store import Store


def _duration(_context: click.Context, _option: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    if not re.fullmatch(DURATION, value):
        raise click.BadParameter("a number and s, m, h or d, for example 30d")
    return seconds_of(value)


@click.command(short_help="Remove batches that are over, with their results.")
@click.argument("names", metavar="NAME...", nargs=-1)
@click.option(
    "--older-than",
    "age",
    metavar="AGE",
    callback=_duration,
    help="All that ended longer ago: 30d, 12h, 90m.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@told
def prune(names: tuple[str, ...], age: float | None, *, dry_run: bool, yes: bool) -> None:
    """Remove batches that are over: their jobs, results and histories.

    \b
    reelqueue results clips -o clips.parquet && reelqueue prune clips
    reelqueue prune --older-than 30d --dry-run

    What was paid stays in the totals. As long as callbacks may still come (a day at least) a row
    that was pruned is remembered, and not bought again. REELQUEUE_RETENTION=30d prunes by itself.
    """
    if bool(names) == (age is not None):
        raise click.UsageError("give either the batches' names or --older-than")
    _, store = open_store()
    batches = _chosen(store, names, age)
    jobs = sum(batch.total for batch in batches)
    what = f"{len(batches):,} batch{'' if len(batches) == 1 else 'es'}, {jobs:,} jobs"
    if dry_run or not batches:
        for batch in batches:
            click.echo(batch.name)
        progress_console().print(f"{what} would be removed" if batches else "nothing to prune")
        return
    _ask(what, yes=yes)
    _remove(store, batches)


def _chosen(store: Store, names: Sequence[str], age: float | None) -> list[Batch]:
    if age is not None:
        return pruning.over_since(store, store.now() - round(age * 1000))
    return [find(store, name) for name in dict.fromkeys(names)]


def _ask(what: str, *, yes: bool) -> None:
    if yes:
        return
    question = f"{what} and their results will be removed for good"
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question}: say --yes")
    click.confirm(f"{question}. Go on?", abort=True, err=True)


def _remove(store: Store, batches: Sequence[Batch]) -> None:
    out = progress_console()
    for batch in batches:
        gone = sum(pruning.pages(store, batch))
        out.print(f"batch {batch.name}: {gone:,} jobs removed", markup=False)
