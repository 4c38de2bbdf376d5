"""What was uploaded: an index in the data folder, by content, shared by all commands.

SQLite keeps it whole through kills and between processes. Losing it costs uploads, nothing else.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import Error

_SCHEMA = """
CREATE TABLE IF NOT EXISTS media (
    provider TEXT NOT NULL, sha256 TEXT NOT NULL,
    task_uuid TEXT NOT NULL, media_uuid TEXT NOT NULL, begun_at INTEGER NOT NULL,
    PRIMARY KEY (provider, sha256)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hashes (
    path BLOB PRIMARY KEY, stamp TEXT NOT NULL, sha256 TEXT NOT NULL
) WITHOUT ROWID;
"""
_WAIT = 30.0
"""Seconds to wait for another command's write."""
_SETTLED_NS = 50_000_000
"""Age from which a file's times tell a later change: a kernel's clock ticks every few ms."""


@dataclass(frozen=True)
class Entry:
    """One upload."""

    task_uuid: str  # of the upload itself: it can be polled for
    media_uuid: str  # empty: begun, and not known to be ready


class MediaIndex:
    """The index of one data folder, safe to share between threads and processes."""

    def __init__(self, data_dir: Path) -> None:
        """Open it, or create it.

        Raises:
            Error: it is damaged, or cannot be written; the text says what to do.
        """
        self._path = data_dir / "media.sqlite"
        self._lock = threading.Lock()
        with self._told(), ExitStack() as opened:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(
                self._path, timeout=_WAIT, isolation_level=None, check_same_thread=False
            )
            opened.callback(self._db.close)
            # Nothing written is lost to a kill; to a power cut only what is uploaded again then.
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)
            opened.pop_all()  # it stays open

    def close(self) -> None:
        """Close it; what was written stays."""
        with self._lock:
            self._db.close()

    # -- uploads

    def find(self, provider: str, sha256: str, after: int) -> Entry | None:
        """Return the upload of a content that was begun after `after` (ms)."""
        rows = self._run(
            "SELECT task_uuid, media_uuid FROM media "
            "WHERE provider = ? AND sha256 = ? AND begun_at > ?",
            (provider, sha256, after),
        )
        return Entry(*rows[0]) if rows else None

    def begin(self, provider: str, sha256: str, task_uuid: str, begun_at: int) -> None:
        """Note an upload before it is sent, so that whoever meets it half done can ask for it."""
        values = (provider, sha256, task_uuid, "", begun_at)
        self._run("INSERT OR REPLACE INTO media VALUES (?, ?, ?, ?, ?)", values)

    def finish(self, provider: str, sha256: str, media_uuid: str) -> None:
        """Note the medium that an upload became."""
        self._run(
            "UPDATE media SET media_uuid = ? WHERE provider = ? AND sha256 = ?",
            (media_uuid, provider, sha256),
        )

    # -- hashes, so that a second run need not read ten thousand videos

    def hash_of(self, path: Path, status: os.stat_result) -> str | None:
        """Return the SHA-256 of a file that is unchanged since it was noted."""
        rows = self._run(
            "SELECT sha256 FROM hashes WHERE path = ? AND stamp = ?",
            (os.fsencode(path), _stamp(status)),
        )
        return str(rows[0][0]) if rows else None

    def note_hash(self, path: Path, status: os.stat_result, sha256: str) -> None:
        """Note a file's SHA-256, unless it changed so lately that its times may not tell.

        Args:
            path: Of the file.
            status: Of it, taken before it was read.
            sha256: Of its content.
        """
        if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED_NS:
            values = (os.fsencode(path), _stamp(status), sha256)
            self._run("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?)", values)

    def _run(self, statement: str, values: tuple[object, ...]) -> list[tuple[str, str]]:
        with self._lock, self._told():
            return self._db.execute(statement, values).fetchall()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise Error(
                f"the index of uploads {self._path} cannot be used: {exc.strerror}"
            ) from exc
        except sqlite3.OperationalError as exc:  # locked, full, not writable
            raise Error(f"the index of uploads {self._path} cannot be used: {exc}") from exc
        except sqlite3.DatabaseError as exc:
            raise Error(
                f"the index of uploads {self._path} is damaged ({exc}): delete it; files are "
                "uploaded again then"
            ) from exc


def _stamp(status: os.stat_result) -> str:
    times = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    return " ".join(map(str, times))
