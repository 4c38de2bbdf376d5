"""`reelqueue prune`: remove batches that are over."""

import re
import sys
from collections.abc import Sequence

import click

from batches import orders
from console.codes import FATAL
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
    A batch that is not over yet stays; the others are removed all the same, and the exit code is 1.
    """
    if bool(names) == (age is not None):
        raise click.UsageError("give either the batches' names or --older-than")
    _, store = open_store()
    chosen = _chosen(store, names, age)
    batches = [batch for batch in chosen if not _stays(store, batch)]
    jobs = sum(batch.total for batch in batches)
    what = f"{len(batches):,} batch{'' if len(batches) == 1 else 'es'}, {jobs:,} jobs"
    if dry_run or not batches:
        for batch in batches:
            click.echo(batch.name)
        progress_console().print(f"{what} would be removed" if batches else "nothing to prune")
    else:
        _ask(what, yes=yes)
    removed = len(batches) if dry_run else _remove(store, batches)
    if removed < len(chosen):
        raise SystemExit(FATAL)


def _chosen(store: Store, names: Sequence[str], age: float | None) -> list[Batch]:
    if age is not None:
        return pruning.over_since(store, store.now() - round(age * 1000))
    return [find(store, name) for name in dict.fromkeys(names)]


def _stays(store: Store, batch: Batch) -> bool:
    """Whether a batch is not over yet; then it is told why."""
    if batch.open or batch.cancelling or not batch.sealed:
        _say(
            f"batch {batch.name} stays: it has jobs that are open, or is not whole yet: reelqueue "
            f"cancel {batch.name} gives them up"
        )
        return True
    if store.window()[1] and any(orders.at_provider(store, batch)):
        _say(
            f"batch {batch.name} stays: the provider may still work on a job of it that was given "
            "up, and bill it: try again when that is over"
        )
        return True
    return False


def _ask(what: str, *, yes: bool) -> None:
    if yes:
        return
    question = f"{what} and their results will be removed for good"
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question}: say --yes")
    click.confirm(f"{question}. Go on?", abort=True, err=True)


def _remove(store: Store, batches: Sequence[Batch]) -> int:
    """Remove batches; returns how many. One that is not over after all stays, and is told."""
    removed = 0
    for batch in batches:
        try:
            gone = sum(pruning.pages(store, batch))
        except pruning.NotOver as exc:
            _say(str(exc))
        else:
            _say(f"batch {batch.name}: {gone:,} jobs removed")
            removed += 1
    return removed


def _say(line: str) -> None:
    progress_console().print(line, markup=False)
