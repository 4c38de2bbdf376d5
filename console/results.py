"""`reelqueue results`: the table, in manifest order, at any time."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

import click

from batches.failed import Needs, failed_rows
from batches.results import table
from batches.table_file import ENDINGS, Format, Style, write_table
from batches.table_kinds import kinds
from batches.view import half_recorded
from console.context import (
    end_well_on_signals,
    find,
    open_store,
    progress_console,
    told,
)
from console.plain import plain, spelled
from tasks.errors import Error
from tasks.job import State
from tasks.reading import Batch
from tasks.store import Store


def table_path(
    _context: click.Context, _option: click.Parameter, value: Path | None
) -> Path | None:
    """Refuse an output file of a kind that is not written.

    Raises:
        click.BadParameter: as a usage error, exit code 2.
    """
    if value is not None and value.suffix.lower() not in ENDINGS:
        raise click.BadParameter(f"its name must end in one of {', '.join(ENDINGS)}")
    return value


@click.command(short_help="Write a batch's table, complete or not yet.")
@click.argument("name")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    callback=table_path,
    help="File to write: .jsonl, .csv, .tsv or .parquet; default: standard output.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice([each.value for each in Format if each is not Format.PARQUET]),
    help="What standard output gets; default: jsonl.",
)
@click.option("--failed", is_flag=True, help="The rows that lack results, as a manifest again.")
@click.option("--exact", is_flag=True, help="CSV: no ' before texts that start a formula.")
@click.option("--excel", is_flag=True, help="CSV: with the mark by which Excel knows UTF-8.")
@told
def results(
    name: str,
    output: Path | None,
    format_: str | None,
    *,
    failed: bool,
    exact: bool,
    excel: bool,
) -> None:
    """Write the table of batch NAME: a row per result, in manifest order, your columns last.

    \b
    reelqueue results clips -o clips.parquet   # typed: money as decimals, times as timestamps
    reelqueue results clips -o clips.csv --excel
    reelqueue results jobs --failed -o again.jsonl; reelqueue submit again.jsonl
    reelqueue results clips --failed -o again.jsonl   # clips was a folder, and is needed again:
    reelqueue submit again.jsonl --media-root clips

    A job without results has one row, with its state and error. Rows that were added to the batch
    later stand at the end. The table can be read while the batch runs; standard error then says
    that it is INCOMPLETE.

    CSV is exact but for a ' before texts that a spreadsheet would run as a formula (they start with
    = + - @ or a tab, and are no plain numbers). Excel itself cuts cells at 32,767 characters: use
    Parquet for long answers.
    """
    style = _style(output, format_, exact=exact, excel=excel)
    if failed and style.format_ is not Format.JSONL:
        raise click.UsageError("the rows of --failed are a manifest: name it .jsonl")
    end_well_on_signals()
    _, store = open_store()
    batch = find(store, name)
    needs = Needs()
    rows = failed_rows(store, batch.id, needs) if failed else _table(store, batch)
    columns = partial(kinds, store, batch.id)
    if output is None:
        lines = style.lines(rows, columns)
        sys.stdout.buffer.writelines(map(spelled, lines) if sys.stdout.isatty() else lines)
    else:
        try:
            count = write_table(rows, columns, output, style)
        except OSError as exc:
            raise Error(f"cannot write {output}: {exc.strerror or exc}") from exc
        say_written(None, count, output)
    say_incomplete(batch)
    if failed:
        _say_of_failed(batch, needs)


def _table(store: Store, batch: Batch) -> Iterator[dict[str, Any]]:
    return table(store, batch.id, simulated=store.marks.is_simulated())


def _say_of_failed(batch: Batch, needs: Needs) -> None:
    """Say what else the rows that lack results need, or get."""
    out = progress_console()
    if batch.states[State.PARTIAL]:
        out.print(
            f"{batch.states[State.PARTIAL]:,} of them have some results: as rows they ask for all "
            f"again; reelqueue retry {batch.name} --partial asks for what is missing"
        )
    if needs.local_file:
        out.print(
            f"Local files, such as {plain(needs.local_file)}, are named by their paths in the "
            "folder that was submitted, or in which the manifest lay: submit the rows with "
            "--media-root and that folder",
            markup=False,
        )
    if needs.passengers:
        options = " ".join(f"--passenger {quote(plain(name))}" for name in sorted(needs.passengers))
        out.print(
            f"Submit them with {options}: these columns are yours, though they look like what is "
            "sent",
            markup=False,
        )


def _style(output: Path | None, format_: str | None, *, exact: bool, excel: bool) -> Style:
    if output is not None and format_ is not None:
        raise click.UsageError("--format is of standard output: -o FILE is written as it is named")
    chosen = ENDINGS[output.suffix.lower()] if output else Format(format_ or Format.JSONL)
    if (exact or excel) and chosen not in {Format.CSV, Format.TSV}:
        raise click.UsageError("--exact and --excel are of CSV: name the file .csv")
    return Style(chosen, exact, excel)


def say_written(batch: Batch | None, count: int, output: Path) -> None:
    """Say what was written where, and whether more will come."""
    progress_console().print(f"{count} rows written to {output}", markup=False)
    if batch:
        say_incomplete(batch)


def say_incomplete(batch: Batch) -> None:
    """Say where a table lacks results that may still come, or rows."""
    is_open = f"{batch.open} of {batch.total} jobs are open" if batch.open else ""
    if told := "; ".join(filter(None, (is_open, half_recorded(batch)))):
        progress_console().print(f"INCOMPLETE: {told}", markup=False)
