"""Where the rows of a manifest come from: JSON Lines, CSV, a list of URLs, a folder, a pattern."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from batches.csv_rows import csv_rows
from batches.files import EXTENSIONS, kind_of
from batches.folder import is_pattern, is_wild, media_rows, split_pattern
from batches.json_faults import fault
from batches.problems import BadManifest, BadRow, RowError, shown
from batches.text import LONGEST_MARK, decoded, lines, no_text
from tasks.wire.answer import Unreadable, parse

Note = Callable[[str], None]
"""Hears a remark about the manifest as a whole."""

Given = tuple[int, object]
"""A row's line, and its columns as a dict or `Cells`, or another JSON value, or a `BadRow`."""


class Format(StrEnum):
    """What the text of a manifest is."""

    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    URLS = "urls"


_ENDINGS = {
    **dict.fromkeys(("jsonl", "ndjson", "json"), Format.JSONL),
    "csv": Format.CSV,
    **dict.fromkeys(("tsv", "tab"), Format.TSV),
    **dict.fromkeys(("urls", "txt"), Format.URLS),
}
_ROWS = {
    Format.JSONL: "write one JSON object per line",
    Format.CSV: "the first line names the columns, each further line is a row",
    Format.TSV: "the first line names the columns, each further line is a row",
    Format.URLS: "write one URL per line",
}
_ARRAY = (
    "is a JSON array; write its objects one a line, for example with "
    "jq -c '.[]' jobs.json > jobs.jsonl"
)
_PLACE = re.compile(r": line \d+ column \d+ \(char (\d+)\)")
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


class Source(Protocol):
    """Something that has rows."""

    @property
    def name(self) -> str:
        """What the user calls it."""

    @property
    def unit(self) -> str:
        """What the number of a row counts."""

    @property
    def nothing(self) -> str:
        """What to say where it has no rows."""

    @property
    def folder(self) -> Path:
        """Where its media lie."""

    def rows(self, note: Note) -> Iterator[Given]:
        """Yield its rows; a `BadRow` that is raised, not yielded, ends them."""


@dataclass(frozen=True)
class TextFile:
    """A text with a row a line, or a row over several lines of CSV."""

    path: Path
    format: Format
    folder: Path
    unit: str = "line"

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.path)

    @property
    def nothing(self) -> str:
        """How its rows would look."""
        return f"holds no rows; {_ROWS[self.format]}"

    def rows(self, note: Note) -> Iterator[Given]:  # noqa: ARG002  of a text nothing is left out
        """Yield its rows, in bounded memory."""
        if self.format is Format.JSONL:
            return _json_rows(self.path)
        if self.format is Format.URLS:
            return _url_rows(self.path)
        return csv_rows(self.path, "," if self.format is Format.CSV else "\t")


@dataclass(frozen=True)
class Folder:
    """The media files in a folder, or those of them that match a pattern."""

    folder: Path
    pattern: tuple[str, ...] = ()
    unit: str = "file"

    @property
    def name(self) -> str:
        """The path, or the pattern."""
        return str(self.folder.joinpath(*self.pattern))

    @property
    def nothing(self) -> str:
        """What a medium is, or that the only one that is meant is not there."""
        if self.pattern and not is_wild(self.pattern[-1]):
            return "matches no file that is there"
        return (
            f"holds no media files; they end in {', '.join(EXTENSIONS['video'].split()[:4])}, ..."
        )

    def rows(self, note: Note) -> Iterator[Given]:
        """Yield its files, sorted by path."""
        return media_rows(self.folder, self.pattern, note)


def source_at(path: Path, format_: Format | None = None, folder: Path | None = None) -> Source:
    """Return what stands at a path.

    Args:
        path: Of a text file, a folder or one medium, or a pattern of media files.
        format_: Of a text file; else its name's ending says it.
        folder: Where the media of a text file lie; else beside it.

    Raises:
        BadManifest: the path and its ending say nothing.
    """
    if format_ is None and path.is_dir():
        return Folder(path)
    if format_ is None and is_pattern(path):
        return Folder(*split_pattern(path))
    known = format_ or _ENDINGS.get(path.suffix[1:].lower())
    if known:
        return TextFile(path, known, folder or path.parent)
    if kind_of(path.name) and path.is_file():
        return Folder(path.parent, (_literally(path.name),))
    if not path.exists():
        raise BadManifest(f"cannot read {path}: No such file or directory")
    if found := no_text(_start(path)):
        raise BadManifest(f"{path} {found}")
    endings = ", ".join(f".{ending}" for ending in _ENDINGS)
    raise BadManifest(
        f"{path} ends in none of {endings}: say what it holds with --format "
        f"{'|'.join(Format)}, or rename it"
    )


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LONGEST_MARK)
    except OSError as exc:
        raise BadManifest(f"cannot read {path}: {exc.strerror}") from exc


def _literally(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


def _json_rows(path: Path) -> Iterator[Given]:
    filled = ((line, raw) for line, raw in lines(path) if raw.strip())
    for number, (line, raw) in enumerate(filled):
        if number == 0 and raw.lstrip().startswith(b"["):
            raise BadRow([RowError(line, "row", "", _ARRAY)])
        try:
            yield line, _parsed(line, raw)
        except BadRow as exc:
            yield line, exc


def _parsed(line: int, raw: bytes) -> object:
    try:
        given = parse(raw)
    except Unreadable as exc:
        text = decoded(line, raw).strip()  # says more of a byte that is wrong
        if not isinstance(exc.__cause__, json.JSONDecodeError):
            raise BadRow([fault(line, text, str(exc))]) from exc
        why = _PLACE.sub(lambda match: f" at character {int(match[1]) + 1}", str(exc))
        problem = f"is not a JSON object: {why}; write one a line"
        raise BadRow([RowError(line, "row", shown(text), problem)]) from exc
    if _HALF.search(raw) and isinstance(given, dict):
        _check_whole(line, given)
    return given


def _check_whole(line: int, given: dict[str, object]) -> None:
    """Refuse half characters, which JSON can spell, but no table or store can hold."""
    for name, value in given.items():
        try:
            json.dumps({name: value}, ensure_ascii=False, default=str).encode()
        except UnicodeEncodeError:
            problem = "holds half a character (a lone surrogate); take it out"
            raise BadRow([RowError(line, shown(name)[1:-1], shown(value), problem)]) from None


def _url_rows(path: Path) -> Iterator[Given]:
    for line, raw in lines(path):
        text = decoded(line, raw).strip()
        if text and not text.startswith("#"):
            kind = kind_of(text)
            yield line, {"url": text, kind: text} if kind else _no_kind(line, text)


def _no_kind(line: int, text: str) -> BadRow:
    problem = (
        "its ending does not say whether it is a video, image, audio or document: write the "
        "word video above the list, and name the file .tsv"
    )
    return BadRow([RowError(line, "url", shown(text), problem)])
