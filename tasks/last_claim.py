"""What a worker knows of its last claim when the store has come up anew: whether that was lost.

It tells of all claims where no other worker was there since. The store itself cannot tell: what
says in it that nobody worked may come from a backup, too. So the last fencing token is kept in the
process and, for the next worker, in a file that lives no longer than the computer runs: in memory,
and not in the data folder, for who restores that from a backup must not restore this, too.

That nobody claimed between two workers is known of a store alone that lives and ends with them: the
embedded one. With another, and once two workers were there at a time, the file tells nothing.
"""

import fcntl
import os
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock

MEMORY = Path("/dev/shm")  # noqa: S108  the folder in it is ours alone, or not used
"""Files in memory, gone when the computer stops; where there are none (macOS) nothing is kept."""
LENGTH = 256
"""Bytes of the record, which one write replaces."""


class LastClaim:
    """The last claim of this worker, or of the one before it on this computer.

    Args:
        worker: Its own name; empty: it tells nothing.
        former: Name and token of the worker before; empty where nobody knows.
        file: Of the record; None: there is none.
        descriptor: Of the same, locked.
    """

    def __init__(
        self,
        worker: str = "",
        former: tuple[str, str] = ("", ""),
        file: Path | None = None,
        descriptor: int = -1,
    ) -> None:
        self.worker, self._file, self._descriptor = worker, file, descriptor
        self.former, self.token = former
        self._is_alone, self._lock = True, Lock()  # doors claim at once

    def claimed(self, token: str) -> None:
        """Hear of a claim, before any of it is sent."""
        with self._lock:
            known = max(token, self.token, key=lambda one: int(one or "0"))
            self._know(known if self._is_alone else "")

    def hear(self, workers: Iterable[str]) -> None:
        """Hear which workers live: what others claim from now on, this one does not know."""
        with self._lock:
            self._is_alone = set(workers) <= {self.worker, self.former}
            if not self._is_alone and self.token:
                self._know("")

    def _know(self, token: str) -> None:
        self.token = token
        if self._file:
            with suppress(OSError):  # a full disk: the next worker is only more careful
                os.pwrite(self._descriptor, _record(self.worker, token), 0)

    def close(self, *, kept: bool) -> None:
        """Leave the record to the next worker, or remove it."""
        if not self._file:
            return
        if not kept:
            with suppress(OSError):  # others may have theirs in the folder
                self._file.unlink(missing_ok=True)
                self._file.parent.rmdir()
        os.close(self._descriptor)
        self._file = None


def of_worker(worker: str, data_dir: Path, namespace: str, memory: Path = MEMORY) -> LastClaim:
    """Return what a worker of an embedded store knows: of its own claims alone without a record.

    There may be no safe place for one; or another worker has it that lives, and is none before it:
    then the record is removed, for whoever comes after both.
    """
    name = sha256(f"{data_dir.resolve()}\n{namespace}".encode()).hexdigest()[:32]
    try:
        file = _folder(memory) / name
        descriptor = _locked(file)
    except BlockingIOError:
        file.unlink(missing_ok=True)
        return LastClaim(worker)
    except OSError:
        return LastClaim(worker)
    return LastClaim(worker, _read(os.pread(descriptor, LENGTH, 0)), file, descriptor)


def _locked(file: Path) -> int:
    """Open a record, for as long as this process lives.

    Raises:
        OSError: it cannot be, or another process has it.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _folder(memory: Path) -> Path:
    folder = memory / f"reelqueue-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or folder.is_symlink():
        raise PermissionError("somebody else's folder")
    return folder


def _record(worker: str, token: str) -> bytes:
    return f"{worker}\n{token}\n".encode()[:LENGTH].ljust(LENGTH)


def _read(record: bytes) -> tuple[str, str]:
    worker, token, *_ = (*record.decode("ascii", "replace").split("\n"), "", "")
    return (worker, token) if token.isdecimal() else ("", "")
