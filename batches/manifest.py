"""Reading a manifest: JSON Lines, checked whole before anything is recorded."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from batches.row import BadRow, Row, RowError, read_row, shown
from tasks.errors import Error
from tasks.wire.answer import Unreadable, parse

MOST_ERRORS = 20
"""Errors told at once; a file with more of them has one cause."""

BOM = b"\xef\xbb\xbf"


class BadManifest(Error):
    """A manifest that cannot be queued; the text names every line, column, value and fix."""


@dataclass
class Checked:
    """What a whole manifest holds."""

    rows: int = 0
    results: int = 0  # the sum of numberResults
    warnings: list[str] = field(default_factory=list)


def check(path: Path) -> Checked:
    """Read the whole manifest and say what is in it.

    Raises:
        BadManifest: with the first errors found.
    """
    checked = Checked()
    errors: list[RowError] = []
    seen: dict[str, int] = {}  # custom_id: line
    for line, raw in _lines(path):
        try:
            row, warnings = _row(line, raw)
        except BadRow as exc:
            errors += exc.errors
        else:
            first = seen.setdefault(row.custom_id, line)
            if first != line:
                problem = f"stands on line {first} already; each row needs its own"
                errors.append(RowError(line, "custom_id", shown(row.custom_id), problem))
            checked.rows += 1
            checked.results += row.body.get("numberResults", 1)
            checked.warnings += [f"line {line}: {text}" for text in warnings]
        if len(errors) >= MOST_ERRORS:
            break
    if errors:
        raise BadManifest(_listed(path, errors))
    if not checked.rows:
        raise BadManifest(f"{path} holds no rows; write one JSON object per line")
    return checked


def rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a manifest that `check` has passed.

    Raises:
        BadManifest: where it changed since.
    """
    for line, raw in _lines(path):
        try:
            yield _row(line, raw)[0]
        except BadRow as exc:
            raise BadManifest(f"{path} changed while it was queued: {exc.errors[0]}") from exc


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            for line, raw in enumerate(file, start=1):
                text = raw.removeprefix(BOM) if line == 1 else raw
                if text.strip():
                    yield line, text
    except OSError as exc:
        raise BadManifest(f"cannot read {path}: {exc.strerror}") from exc


def _row(line: int, raw: bytes) -> tuple[Row, list[str]]:
    try:
        given = parse(raw)
    except Unreadable as exc:
        excerpt = shown(raw.strip().decode("utf-8", "replace"))
        raise BadRow([RowError(line, "row", excerpt, f"is not a JSON object: {exc}")]) from exc
    return read_row(line, given)


def _listed(path: Path, errors: list[RowError]) -> str:
    told = "\n".join(f"  {error}" for error in errors[:MOST_ERRORS])
    more = "\n  ... and more" if len(errors) >= MOST_ERRORS else ""
    return f"{path} was not queued, nothing was spent:\n{told}{more}"
