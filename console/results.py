"""`reelqueue results`: the table, in manifest order, at any time."""

import sys
from pathlib import Path

import click

from batches.results import json_line, table, write_jsonl
from console.context import find, is_simulated, open_store, progress_console, told
from tasks.errors import Error


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


@click.command()
@click.argument("name")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    callback=jsonl_path,
    help="File to write; default: standard output.",
)
@told
def results(name: str, output: Path | None) -> None:
    """Write the table of batch NAME as JSON Lines: a row per result, in manifest order.

    It can be read while the batch runs; standard error then says that it is incomplete.
    """
    _, store = open_store()
    batch = find(store, name)
    rows = table(store, batch.id, simulated=is_simulated(store))
    if output is None:
        for row in rows:
            sys.stdout.buffer.write(json_line(row))
    else:
        try:
            count = write_jsonl(rows, output)
        except OSError as exc:
            raise Error(f"cannot write {output}: {exc.strerror}") from exc
        progress_console().print(f"{count} rows written to {output}", soft_wrap=True)
    if batch.open or not batch.sealed:
        progress_console().print(f"INCOMPLETE: {batch.open} of {batch.total} jobs are open")
