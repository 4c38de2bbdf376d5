"""Batch ids, kept outside the store: they are what all taskUUIDs are derived from.

A store that lost its last second, or all of it, gives a manifest submitted again the ids under
which its rows were bought, because the id of its batch was on disk before the first row was.
"""

import json
import os
import re
from contextlib import suppress
from io import FileIO
from pathlib import Path

from filelock import FileLock

from batches.scratch import NoRoom
from tasks.ids import new_batch_id

BATCH_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
"""What a batch may be called on the command line and in a URL, by its name or its id."""
NEW_NAME = re.compile(r"(?!batch_[0-9a-f]{20}\Z)[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", re.ASCII)
"""A name that a batch may be given: none that is taken for an option, a folder or an id."""
NAME_RULE = "1 to 64 of A-Z a-z 0-9 . _ -, with neither . nor - first, and not as ids are"


class Journal:
    """One file of `{"name", "id"}` lines in the data folder; the last line of a name counts."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "batches.jsonl"
        self._lock = FileLock(data_dir / "batches.lock")

    def batch_id(self, name: str, known: str | None) -> str:
        """Return the id of batch `name`: the store's, else the journal's, else a new one.

        On return the id is on disk, flushed past the operating system's cache.

        Raises:
            NoRoom: it cannot be written, and nothing of it was.
        """
        with self._lock:
            recorded = self.known(name)
            batch_id = known or recorded or new_batch_id()
            if batch_id != recorded:
                self._append({"name": name, "id": batch_id})
        return batch_id

    def known(self, name: str) -> str | None:
        """Return the id of batch `name` if it had one before; nothing is written."""
        if not self._path.exists():
            return None
        found = None
        for line in self._path.read_text(encoding="ascii", errors="replace").splitlines():
            entry = _entry(line)
            found = entry["id"] if entry.get("name") == name else found
        return found

    def _append(self, entry: dict[str, str]) -> None:
        fresh = not self._path.exists()
        try:
            with self._path.open("a+b", buffering=0) as file:
                self._write(file, json.dumps(entry).encode() + b"\n")
            if fresh:
                _flush_folder(self._path.parent)
        except OSError as exc:
            raise NoRoom(
                f"{self._path} cannot be written ({exc.strerror}): it keeps the ids of batches, so "
                "nothing was queued. Make it writable, with room on its disk, and submit again"
            ) from exc

    def _write(self, file: FileIO, line: bytes) -> None:
        """Write a line through to the disk, or nothing of it."""
        size = file.seek(0, os.SEEK_END)
        # A crash may have left a line without its end; a new line keeps this one whole.
        rest = line if not size or self._ends_whole(size) else b"\n" + line
        try:
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):
                file.truncate(size)
            raise

    def _ends_whole(self, size: int) -> bool:
        with self._path.open("rb") as file:
            file.seek(size - 1)
            return file.read(1) == b"\n"


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _entry(line: str) -> dict[str, str]:
    """Return a line's entry; none where a crash cut it, for then its id was never given out."""
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) and entry.keys() >= {"name", "id"} else {}
