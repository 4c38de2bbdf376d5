"""A table into a file: JSON Lines, CSV, TSV or Parquet by its name, whole or not at all."""

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from batches.aside import aside, is_stream
from batches.table_csv import BOM, csv_lines
from batches.table_json import json_line
from batches.table_kinds import Kind

Rows = Iterable[Mapping[str, Any]]
Kinds = Callable[[], Mapping[str, Kind]]
"""Finds the user's columns; called only where the format needs them before the first row."""


class Format(StrEnum):
    """What a table can be written as."""

    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"


ENDINGS = {
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
    ".parquet": Format.PARQUET,
}


@dataclass(frozen=True)
class Style:
    """How a table is written."""

    format_: Format
    exact: bool = False  # texts that start a formula as they are
    excel: bool = False  # with the mark by which Excel knows UTF-8

    def lines(self, rows: Rows, kinds: Kinds) -> Iterator[bytes]:
        """Yield a table's lines; not of Parquet, which has none.

        Raises:
            Error: the batch grew meanwhile.
        """
        if self.format_ is Format.JSONL:
            yield from map(json_line, rows)
            return
        if self.excel:
            yield BOM
        delimiter = "\t" if self.format_ is Format.TSV else ","
        yield from csv_lines(rows, [*kinds()], delimiter=delimiter, exact=self.exact)


def write_table(rows: Rows, kinds: Kinds, path: Path, style: Style) -> int:
    """Write a table beside `path` and rename: a reader sees the old one or the new, whole.

    A pipe or a device is written to as it comes.

    Returns:
        The number of rows.

    Raises:
        OSError: nothing at `path` has changed.
        Error: the batch grew meanwhile; the same.
    """
    if style.format_ is Format.PARQUET and is_stream(path):
        raise OSError(errno.ESPIPE, "Parquet needs a regular file, and it is none", str(path))
    count = 0

    def counted() -> Iterator[Mapping[str, Any]]:
        nonlocal count
        for count, row in enumerate(rows, start=1):  # noqa: B007  read after the loop
            yield row

    with aside(path) as part:
        if style.format_ is Format.PARQUET:
            # Half a second to import, and of use to nobody else.
            from batches.table_parquet import write_parquet  # noqa: PLC0415

            write_parquet(counted(), kinds(), part)
        else:
            with part.open("wb") as file:
                file.writelines(style.lines(counted(), kinds))
    return count
