"""A table as CSV or TSV: UTF-8, exact but for texts that a spreadsheet would run."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from io import StringIO
from typing import Any

from batches.columns import OUTPUT
from batches.table_json import json_text
from tasks.errors import Error

FORMULA = frozenset("=+-@\t\r\uff1d\uff0b\uff0d\uff20")
"""First characters, plain and full-width, with which a spreadsheet takes a text for a formula."""
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
"""A text that a spreadsheet takes for a number, sign and all."""
BOM = b"\xef\xbb\xbf"


def csv_lines(
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    delimiter: str = ",",
    exact: bool = False,
) -> Iterator[bytes]:
    """Yield the header and a line per row, in UTF-8; lines end with CR LF (RFC 4180).

    Args:
        rows: Of a table.
        columns: The user's.
        delimiter: Between cells.
        exact: Write texts as they are. Else those that start a formula get a `'` before them, but
            for plain numbers.

    Raises:
        Error: a row has a column that is not among these: the batch grew meanwhile.
    """
    names = [*OUTPUT, *columns]
    known, line = set(names), StringIO()
    # As RFC 4180 has it; with another end csv would leave a lone CR in a cell unquoted.
    writer = csv.writer(line, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(_guarded(name, exact=exact) for name in names)
    yield _taken(line)
    for row in rows:
        if not known.issuperset(row):
            raise Error("the batch got rows with other columns meanwhile: write it again")
        writer.writerow(_cell(row.get(name), exact=exact) for name in names)
        yield _taken(line)


def _taken(line: StringIO) -> bytes:
    text = line.getvalue()
    line.seek(0)
    line.truncate()
    return text.encode("utf-8", "backslashreplace")  # only lone surrogates need it, as in JSON


def _cell(value: object, *, exact: bool) -> str:
    match value:
        case None:
            return ""
        case str():
            return _guarded(value, exact=exact)
        case Decimal():
            return f"{value:f}"
        case _:
            return json_text(value)


def _guarded(text: str, *, exact: bool) -> str:
    runs = text[:1] in FORMULA and not _NUMBER.fullmatch(text)
    return f"'{text}" if runs and not exact else text
