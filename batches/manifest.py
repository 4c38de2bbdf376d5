"""A manifest: read and checked whole before anything is recorded, its rows kept on disk."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from batches.checking import MOST_ERRORS, Check, Checked, refusal
from batches.columns import MEDIA
from batches.kept_rows import KeptRows
from batches.problems import BadManifest, BadRow
from batches.row import PLAIN, Row, Rules, read_row
from batches.sources import Format, Source, source_at
from batches.twins import twins

_KINDS = {many: one for one, many in MEDIA.items()}


class Manifest:
    """Rows, read from their source once: those that pass are kept on disk, none in memory.

    Args:
        source: Where they come from.
        rules: How they are read.
    """

    def __init__(self, source: Source, rules: Rules = PLAIN) -> None:
        self.source, self.rules = source, rules
        self._kept: KeptRows | None = None

    def check(self) -> Checked:
        """Read it whole and say what is in it.

        Raises:
            BadManifest: with the first errors found.
            NoRoom: the disk has no room for its rows.
        """
        self._kept = None  # where this fails, what was read before is no longer the manifest
        self._kept, checked = self._read()
        return checked

    def _read(self) -> tuple[KeptRows, Checked]:
        self._check_defaults()
        kept = KeptRows()
        with twins() as ids:
            check = Check(self.rules, ids)
            kept.keep(self._passed(check))
            return kept, check.ended(self.source)

    def _check_defaults(self) -> None:
        """See that the media which rows have by default can be sent, before each row is blamed."""
        if "inputs" not in self.rules.defaults.body:
            return
        inputs = self.rules.defaults.body["inputs"]
        given = {"custom_id": "-", "prompt": "?", "inputs": inputs}
        try:
            read_row(0, given, Rules(roots=self.rules.roots))
        except BadRow as exc:
            told = [replace(error, column=_named(error.column, inputs)) for error in exc.errors]
            text = [refusal(self.source), *(error.about for error in told[:MOST_ERRORS])]
            raise BadManifest("\n  ".join(text)) from None

    def _passed(self, check: Check) -> Iterator[Row]:
        """Yield the rows that pass, as long as all do; the others are told after all."""
        try:
            for line, given in self.source.rows(check.done.warnings.append):
                row = check.row(line, given)
                if row is not None and not check.has_errors:
                    yield row
                if check.is_hopeless:
                    return
        except BadRow as exc:
            check.refuse(exc.errors)

    def rows(self) -> Iterator[Row]:
        """Yield the rows as `check` has read them, whatever became of their source since.

        Raises:
            BadManifest: as of `check`, which is made up for where it was not called.
        """
        yield from self._kept or self._read()[0]


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


def _named(column: str, inputs: Any) -> str:  # noqa: ANN401  any JSON
    """Return the name of a medium of the defaults: `video`, or of one among several `videos.1`."""
    match column.split("."):
        case ["inputs", kind, "0"] if kind in _KINDS and len(inputs[kind]) == 1:
            name = _KINDS[kind]
        case ["inputs", kind, *rest] if kind in _KINDS:
            name = ".".join([kind, *rest])
        case _:
            name = column
    return f"{name} of --defaults"


def _resolved(*roots: Path) -> tuple[Path, ...]:
    return tuple(Path(os.path.realpath(root)) for root in roots)
