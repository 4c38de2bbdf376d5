"""A manifest: checked whole before anything is recorded, then read again row by row."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from batches.checking import Check, Checked
from batches.problems import BadManifest, BadRow
from batches.row import PLAIN, Row, Rules, read_row
from batches.sources import Format, Source, source_at
from batches.twins import twins

PIECE = 4
"""Rows read at a time. One may have 64 MB."""


class Manifest:
    """Rows, read from their source each time: nothing of them is kept in memory.

    Args:
        source: Where they come from.
        rules: How they are read.
    """

    def __init__(self, source: Source, rules: Rules = PLAIN) -> None:
        self.source, self.rules = source, rules
        self._stamp: object = None
        self._count: int | None = None  # of the rows that were checked

    def check(self) -> Checked:
        """Read it whole and say what is in it.

        Raises:
            BadManifest: with the first errors found.
        """
        self._stamp = self.source.stamp()
        with twins() as ids:
            check = Check(self.rules, ids)
            try:
                for line, given in self.source.rows(check.done.warnings.append):
                    check.row(line, given)
                    if check.is_hopeless:
                        break
            except BadRow as exc:
                check.refuse(exc.errors)
            checked = check.ended(self.source)
        self._count = checked.rows
        return checked

    def rows(self) -> Iterator[Row]:
        """Yield the rows of a manifest that `check` has passed.

        Raises:
            BadManifest: it changed since.
        """
        changed = f"{self.source.name} changed while it was queued"
        rules = replace(self.rules, checked=True)
        count = 0
        try:
            pieces = iter(self.source.rows(lambda _sentence: None))
            while piece := list(islice(pieces, PIECE)):
                self._refuse_if_changed(changed)  # before a row is taken: none is checked again
                for line, given in piece:
                    if isinstance(given, BadRow):
                        raise given
                    yield read_row(line, given, rules)[0]
                count += len(piece)
        except BadRow as exc:
            raise BadManifest(f"{changed}: {exc.errors[0]}") from exc
        self._refuse_if_changed(changed)
        if self._count not in (None, count):
            raise BadManifest(f"{changed}; submit it again")

    def _refuse_if_changed(self, changed: str) -> None:
        if self._stamp not in (None, self.source.stamp()):
            raise BadManifest(f"{changed}; submit it again")


def manifest_at(
    path: Path,
    rules: Rules = PLAIN,
    format_: Format | None = None,
    media_roots: Sequence[Path] | None = None,
    folder: Path | None = None,
) -> Manifest:
    """Return the manifest at a path.

    Args:
        path: Of a text file, a folder or one medium, or a pattern of media files.
        rules: How its rows are read.
        format_: Of a text file; else its name's ending says it.
        media_roots: Folders beside its own that local media may lie in. None: it must name no
            local media, as befits a file from somewhere else.
        folder: Where the media of a text file lie; else beside it.

    Raises:
        BadManifest: there is none.
    """
    source = source_at(path, format_, folder)
    if media_roots is None:
        return Manifest(source, rules)
    return Manifest(source, replace(rules, roots=_resolved(source.folder, *media_roots)))


def _resolved(*roots: Path) -> tuple[Path, ...]:
    return tuple(Path(os.path.realpath(root)) for root in roots)
