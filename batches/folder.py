"""Media files of a folder or a pattern, as rows."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from fnmatch import fnmatchcase
from pathlib import Path

from batches.files import as_path, kind_of
from batches.problems import BadManifest, shown
from batches.scratch import scratch, scratch_errors

_MAGIC = frozenset("*?[")
_EXAMPLES = 3


def is_pattern(path: Path) -> bool:
    """Whether a path is a pattern of others: it has a wildcard in what is not called so."""
    return bool(split_pattern(path)[1])


def split_pattern(pattern: Path) -> tuple[Path, tuple[str, ...]]:
    """Return the folder before the first part with a wildcard, and the parts from there.

    As far as a path is there it is meant as it is written, brackets and all.
    """
    parts = pattern.parts
    there = next(n for n in range(len(parts), -1, -1) if os.path.lexists(Path(*parts[:n])))
    first = next((n for n in range(there, len(parts)) if is_wild(parts[n])), len(parts))
    return Path(*parts[:first]), parts[first:]


def is_wild(part: str) -> bool:
    """Whether a part of a path has a wildcard."""
    return not _MAGIC.isdisjoint(part)


def media_rows(
    folder: Path, pattern: tuple[str, ...], note: Callable[[str], None]
) -> Iterator[tuple[int, object]]:
    """Yield a row for each media file, by path; `note` hears what was left out.

    Folders that are links are not entered: they could lead anywhere, or round in a circle.

    Args:
        folder: Where to look.
        pattern: Parts that a path in it must match, `**` for any folders; all without parts.
        note: Hears a sentence.

    Raises:
        BadManifest: a folder cannot be read.
    """
    seen = _Seen()
    with closing(scratch("paths (path BLOB)")) as db, scratch_errors():
        found = ((os.fsencode(path),) for path in seen.media(folder, pattern))
        db.executemany("INSERT INTO paths VALUES (?)", found)
        for sentence in seen.remarks():
            note(sentence)
        for row, (path,) in enumerate(db.execute("SELECT path FROM paths ORDER BY path"), start=1):
            name = os.fsdecode(path)
            yield row, {"custom_id": name, str(kind_of(as_path(name))): as_path(name)}


class _Seen:
    """One walk through a folder, and what it met."""

    def __init__(self) -> None:
        self._kinds: Counter[str] = Counter()
        self._left: Counter[str] = Counter()
        self._examples: list[str] = []

    def media(self, folder: Path, pattern: tuple[str, ...]) -> Iterator[str]:
        """Yield the paths of media files, relative to the folder, in any order."""
        waiting = [()]  # type: list[tuple[str, ...]]
        while waiting:
            parts = waiting.pop()
            for entry in _entries(folder.joinpath(*parts)):
                path = (*parts, entry.name)
                if entry.name.startswith("."):
                    self._left.update([] if pattern else ["hidden"])
                elif entry.is_dir(follow_symlinks=False):
                    if _may_hold(path, pattern):
                        waiting.append(path)
                elif _leads_to_a_folder(entry):
                    if _may_hold(path, pattern) or _matches(path, pattern):
                        self._left["linked folders"] += 1
                elif _matches(path, pattern) and self._is_medium(entry):
                    yield "/".join(path)

    def _is_medium(self, entry: os.DirEntry[str]) -> bool:
        kind = kind_of(as_path(entry.name))
        if kind is None:
            self._left["of no known kind"] += 1
            if len(self._examples) < _EXAMPLES:
                self._examples.append(shown(entry.name)[1:-1])
            return False
        self._kinds[kind] += 1
        return True

    def remarks(self) -> Iterator[str]:
        """Yield what the user should know before paying for it."""
        if self._left.total():
            counts = ", ".join(f"{why}: {count}" for why, count in sorted(self._left.items()))
            names = f", such as {', '.join(self._examples)}" if self._examples else ""
            yield f"files are left out ({counts}{names})"
        if len(self._kinds) > 1:
            kinds = ", ".join(f"{kind}: {count}" for kind, count in self._kinds.most_common())
            yield f"media of several kinds are taken ({kinds}); a pattern like '*.mp4' takes some"


def _leads_to_a_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_symlink() and entry.is_dir()
    except OSError:  # links in a circle lead nowhere; the check of the row tells of it
        return False


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError as exc:
        raise BadManifest(f"cannot read {folder}: {exc.strerror}") from exc


def _may_hold(folder: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether a path in this folder could match."""
    if not pattern or not folder or pattern[0] == "**":
        return True
    ends = len(pattern) == 1 or not fnmatchcase(folder[0], pattern[0])
    return not ends and _may_hold(folder[1:], pattern[1:])


def _matches(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return True
    if pattern[0] == "**":
        rest = pattern[1:] or ("*",)
        return any(_matches(path[i:], rest) for i in range(len(path)))
    if not path or not fnmatchcase(path[0], pattern[0]):
        return False
    return _matches(path[1:], pattern[1:]) if len(pattern) > 1 else len(path) == 1
