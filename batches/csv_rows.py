"""Rows of a CSV or TSV file: cells become the values that the same row has in JSON Lines."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from batches.columns import MEDIA, REQUEST
from batches.problems import BadRow, Of, RowError, shown
from batches.text import LONGEST_LINE, decoded, lines
from tasks.wire.answer import Unreadable, parse

if TYPE_CHECKING:
    from _csv import Reader

_WHOLE = {"maxTokens", "numberResults", "seed"}
_NUMBERS = {"temperature", "topP"}
_JSON = {"messages", "inputs", "settings", "stopSequences"}
_INTEGER = re.compile(r"-?[0-9]{1,15}(?:\.0+)?", re.ASCII)  # 900.0 as spreadsheets write 900
_DECIMAL = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?", re.ASCII)
_DATA = re.compile(r"https?://.*|.*\n.*|.{257,}", re.DOTALL)
"""What stands in a row, not as a column's name."""
_NUMBER = re.compile(r"-?[0-9]+(?:[.][0-9]+)?")
"""The same, unless names that are known stand beside it."""
_GLUED = re.compile(r"[,;|]\s*https?://", re.IGNORECASE)
"""Between two URLs of a cell; taken for one URL, each job would fail."""
_GLUED_OF_ONE = re.compile(r"[,;|\s]\s*https?://", re.IGNORECASE)
"""The same where the cell holds one medium."""
_SEPARATOR = re.compile(r"""("?)sep=([^"'\w\s]|\t)\1\r?\n?""", re.IGNORECASE | re.ASCII)
"""The line by which Excel knows what separates the cells."""

_SEPARATORS = ";\t|,"


@dataclass(frozen=True)
class Cells:
    """A row of a table."""

    columns: dict[str, object]
    header: int  # the line that names the columns


_PROBLEMS = {
    "unexpected end of data": "a quote that opens in this row is never closed; close it",
    "field larger than": "a cell is longer than 64 MB; is a quote never closed?",
    "new-line character": "lines end in CR alone; save the file with LF or CRLF",
    "expected after": 'a quote stands within a cell; write it twice ("") and the cell in quotes',
}


def csv_rows(path: Path, delimiter: str) -> Iterator[tuple[int, object]]:
    """Yield each row with the number of its first line, as `Cells` or, where damaged, a `BadRow`.

    A row of empty or blank cells is none, as a blank line is; a blank cell of a request field is no
    value. A first line `sep=;` says what separates cells, whatever `delimiter` is.

    Raises:
        BadManifest: the file cannot be read.
        BadRow: nothing behind it can be read.
    """
    csv.field_size_limit(LONGEST_LINE)
    texts = (decoded(line, raw) for line, raw in lines(path))
    first = next(texts, "")
    said = _SEPARATOR.fullmatch(first)
    mark = said[2] if said else delimiter
    reader = csv.reader(texts if said else chain([first], texts), delimiter=mark, strict=True)
    header, names = 0, list[str]()
    for line, cells in _read(reader, 1 if said else 0):
        if not any(map(str.strip, cells)):
            continue
        if not header:
            header, names = line, _header(line, cells, mark)
            continue
        row = _row(line, names, cells)
        yield line, row if isinstance(row, BadRow) else Cells(row, header)


def _read(reader: "Reader", before: int) -> Iterator[tuple[int, list[str]]]:
    """Yield rows with the numbers of their first lines; so many lines stand `before` the reader."""
    while True:
        line = before + reader.line_num + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            said = str(exc)
            problem = next((ours for text, ours in _PROBLEMS.items() if text in said), said)
            raise BadRow([RowError(line, "row", "", problem)]) from None


def _header(line: int, cells: Sequence[str], mark: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    needed = "the first line must name the columns, such as custom_id,video,prompt"
    is_header = not REQUEST.isdisjoint(names)
    errors = [
        RowError(line, "header", shown(name), f"is no column name; {needed}")
        for name in names
        if _DATA.fullmatch(name)
    ]
    errors += [
        RowError(
            line, "header", shown(name), f"is no column name; {needed}, or one of them beside it"
        )
        for name in names
        if _NUMBER.fullmatch(name) and not is_header
    ]
    counts = Counter(names) if not errors else Counter[str]()
    errors += [
        RowError(line, "header", shown(name), "names two columns; rename one")
        for name in sorted(counts)
        if name and counts[name] > 1
    ]
    if not errors and (other := _other_separator(names, mark)):
        problem = (
            f"is one column: separate its names with commas in .csv, tabs in .tsv, not {other!r}"
        )
        glued = next(name for name in names if other in name)
        errors = [RowError(line, "header", shown(glued), problem)]
    if errors:
        raise BadRow(errors)
    return names


def _other_separator(names: Sequence[str], mark: str) -> str | None:
    """Return what separates the names of a header more likely than `mark` does.

    More of them are known then, or there are more of them and none is known. A comma, and it alone,
    may well stand in a name: `Länge, Sek.`
    """
    known = REQUEST.intersection(names)
    for other in _SEPARATORS.replace(mark, "") if names[1:] else _SEPARATORS:
        split = [name.strip(' "') for name in mark.join(names).split(other)]
        known_then = REQUEST.intersection(split)
        is_likely = len(names) == 1 or (mark == "," and not known)
        if len(known_then) > len(known) or (is_likely and len(split) > len(names)):
            return other
    return None


def _row(line: int, names: Sequence[str], cells: Sequence[str]) -> dict[str, object] | BadRow:
    if len(cells) != len(names):
        problem = (
            f"has {len(cells)} cells, the header names {len(names)} columns; "
            "put cells with separators or line ends in quotes"
        )
        return BadRow([RowError(line, "row", shown(cells[0]), problem)])
    unnamed = next((i for i, n in enumerate(names, 1) if not n and cells[i - 1].strip()), None)
    if unnamed:
        problem = "has no name in the header; give it one"
        value = shown(cells[unnamed - 1])
        return BadRow([RowError(line, f"column {unnamed}", value, problem, Of.COLUMN)])
    if glued := [
        error for pair in zip(names, cells, strict=True) if (error := _glued(line, *pair))
    ]:
        return BadRow(glued)
    return {
        name: _value(name, cell)
        for name, cell in zip(names, cells, strict=True)
        if name and (cell.strip() if name in REQUEST else cell)
    }


def _glued(line: int, name: str, cell: str) -> RowError | None:
    is_one = name in MEDIA
    glue = _GLUED_OF_ONE if is_one else _GLUED
    is_media = is_one or name in MEDIA.values()
    if not is_media or cell.lstrip().startswith("[") or not glue.search(cell.strip()):
        return None
    problem = (
        "holds several URLs: put spaces or line ends between them, or write a JSON list "
        "(a comma of a URL itself is %2C)"
    )
    if is_one:
        problem = problem.replace(": put", f": name the column {MEDIA[name]}, and put")
    return RowError(line, name, shown(cell), problem)


def _value(name: str, cell: str) -> object:
    """Return a cell as JSON Lines would have it; what cannot be is left for the row's check."""
    if name in _WHOLE:
        return int(Decimal(cell)) if _INTEGER.fullmatch(cell.strip()) else cell
    if name in _NUMBERS:
        return Decimal(cell.strip()) if _DECIMAL.fullmatch(cell.strip()) else cell
    if name in _JSON:
        return _json(cell)
    if name in MEDIA:
        return cell.strip()
    if name in MEDIA.values():
        return _media(cell)
    return cell


def _json(cell: str) -> object:
    try:
        return parse(cell.encode())
    except Unreadable:
        return cell


def _media(cell: str) -> object:
    if cell.lstrip().startswith("["):
        return _json(cell)
    if "\n" in cell.strip():  # one a line: then names may have spaces in them
        return [part.strip() for part in cell.split("\n") if part.strip()]
    return cell.split()
