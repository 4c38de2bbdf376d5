"""Lines of a text file: UTF-8, or UTF-16 with a byte order mark; each bounded, each counted."""

import codecs
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from batches.problems import BadManifest, BadRow, RowError, shown

_JOINERS = frozenset("\u200c\u200d")
_TAGS = range(0xE0020, 0xE0080)
_EMOJI = range(0x1F000, 0x1FC00)

LONGEST_LINE = 64_000_000
"""Bytes of a line; a medium as base64 may stand in it."""

LONGEST_MARK = 7
"""Bytes at the start of a file that tell what it is."""

_BLOCK = 1 << 20
_SAVE = "save the file as UTF-8, or as UTF-16 with BOM"
_PACKED = (
    "unpack it, or let another program do so: "
    "zcat jobs.csv.gz | reelqueue submit - --format csv --name jobs"
)
_TABLE = "save its table as CSV UTF-8"
_NO_TEXT = {
    b"\x1f\x8b": f"is packed with gzip: {_PACKED}",
    b"BZh91AY": f"is packed with bzip2: {_PACKED}",
    b"\xfd7zX": f"is packed with xz: {_PACKED}",
    b"\x28\xb5\x2f\xfd": f"is packed with zstd: {_PACKED}",
    b"PK\x03\x04": f"is a spreadsheet or a ZIP archive: {_TABLE}, or unpack it",
    b"\xd0\xcf\x11\xe0": f"is an old spreadsheet: {_TABLE}",
    b"PAR1\x15": "is Parquet: write its rows as JSON Lines or CSV",
}
"""What files that begin so, as no text does, are, and what to do."""


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield a file's lines with their numbers, in UTF-8, without BOM, with their line ends.

    Only LF ends a line, as in an editor: the separators of Unicode stand within texts. Whether it
    is UTF-8 is for the reader of the line to see.

    Raises:
        BadManifest: the file cannot be read.
        BadRow: nothing behind this line can be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(LONGEST_MARK)
            file.seek(0)
            if start[:4] in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
                raise BadRow([RowError(1, "row", "", f"is UTF-32: {_SAVE}")])
            if found := no_text(start):
                raise BadRow([RowError(1, "row", "", found)])
            if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                yield from enumerate(_transcoded(file), start=1)
            else:
                yield from enumerate(_raw(file), start=1)
    except OSError as exc:
        raise BadManifest(f"cannot read {path}: {exc.strerror}") from exc


def no_text(start: bytes) -> str:
    """Return what a file is that begins so, and what to do; empty where it may be text."""
    return next((what for mark, what in _NO_TEXT.items() if start.startswith(mark)), "")


def decoded(line: int, raw: bytes) -> str:
    """Return a line as text.

    Raises:
        BadRow: it is not UTF-8, or holds a NUL.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as exc:
        excerpt = shown(raw[max(0, exc.start - 10) : exc.start + 10].decode("utf-8", "replace"))
        problem = f"byte {exc.start + 1} of the line (0x{raw[exc.start]:02x}) is not UTF-8: {_SAVE}"
        raise BadRow([RowError(line, "row", excerpt, problem)]) from None
    if "\0" in text:
        problem = f"holds a NUL byte; take it out, or, if the file is UTF-16 without BOM, {_SAVE}"
        raise BadRow([RowError(line, "row", shown(text.strip()), problem)])
    return text


def is_printable(text: str) -> bool:
    """Whether a text shows as what it is: no controls, nothing that hides or turns the writing."""
    return text.isprintable() or all(map(_is_shown, text))


def _is_shown(char: str) -> bool:
    """Whether a character may stand in a name though Python's tables do not call it printable.

    Such are spaces of all widths (macOS puts one into the names of its recordings), what joins
    letters and emoji into one, and emoji that are younger than the tables.
    """
    code = ord(char)
    joins = char in _JOINERS or code in _TAGS
    return char.isprintable() or joins or code in _EMOJI or unicodedata.category(char) == "Zs"


def _raw(file: BinaryIO) -> Iterator[bytes]:
    file.seek(3 if file.read(3) == codecs.BOM_UTF8 else 0)
    line = 0
    while raw := file.readline(LONGEST_LINE + 1):
        line += 1
        _check_length(line, len(raw))
        yield raw


def _transcoded(file: BinaryIO) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder("utf-16")()
    line, rest = 0, ""
    block = b"?"
    while block:
        block = file.read(_BLOCK)
        try:
            text = rest + decoder.decode(block, final=not block)
        except UnicodeDecodeError as exc:
            line += 1 + exc.object[: exc.start].decode(exc.encoding, "replace").count("\n")
            byte = file.tell() - len(exc.object) + exc.start + 1
            problem = f"byte {byte} of the file is not UTF-16 though its BOM says so: {_SAVE}"
            raise BadRow([RowError(line, "row", "", problem)]) from None
        *whole, rest = text.split("\n")
        for each in whole:
            line += 1
            yield f"{each}\n".encode()
        _check_length(line + 1, len(rest))
    if rest:
        yield rest.encode()


def _check_length(line: int, length: int) -> None:
    if length > LONGEST_LINE:
        problem = f"is longer than {LONGEST_LINE // 1_000_000} MB; end each row with a line end"
        raise BadRow([RowError(line, "row", "", problem)])
