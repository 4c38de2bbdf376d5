"""`reelqueue results`: the table, in manifest order, at any time."""

import sys
from pathlib import Path

import click

from batches.results import json_line, table, write_jsonl
from console.context import find, is_simulated, open_store, progress_console, told
from tasks.errors import Error
from tasks.reading import Batch


def jsonl_path(
    _context: click.Context, _option: click.Parameter, value: Path | None
) -> Path | None:
    """Refuse an output file of another kind.

    Raises:
        click.BadParameter: as a usage error, exit code 2.
    """
    if value is not None and value.suffix.lower() not in {".jsonl", ".ndjson"}:
        raise click.BadParameter("the table is written as JSON Lines: name it .jsonl")
    return value


@click.command(short_help="Write a batch's table, complete or not yet.")
@click.argument("name")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    callback=jsonl_path,
    help="File to write, named .jsonl; default: standard output.",
)
@told
def results(name: str, output: Path | None) -> None:
    """Write the table of batch NAME as JSON Lines: a row per result, in manifest order.

    A job without results has one row, with its state and error. Your own columns stand last.
    The table can be read while the batch runs; standard error then says that it is INCOMPLETE.
    """
    _, store = open_store()
    batch = find(store, name)
    rows = table(store, batch.id, simulated=is_simulated(store))
    if output is None:
        for row in rows:
            sys.stdout.buffer.write(json_line(row))
        say_incomplete(batch)
        return
    try:
        count = write_jsonl(rows, output)
    except OSError as exc:
        raise Error(f"cannot write {output}: {exc.strerror}") from exc
    say_written(batch, count, output)


def say_written(batch: Batch | None, count: int, output: Path) -> None:
    """Say what was written where, and whether more will come."""
    progress_console().print(f"{count} rows written to {output}", markup=False)
    if batch:
        say_incomplete(batch)


def say_incomplete(batch: Batch) -> None:
    """Say where a table lacks results that may still come."""
    if batch.open or not batch.sealed:
        progress_console().print(f"INCOMPLETE: {batch.open} of {batch.total} jobs are open")
