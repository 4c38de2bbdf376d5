"""What a worker knows of its last claim when the store has come up anew: whether that was lost.

It tells of all claims where no other worker was there since. The store itself cannot tell: what
says in it that nobody worked may come from a backup, too. So the mark of the last claim is kept in
the process and, for the next worker, in a file that lives no longer than the computer runs: in
memory, and not in the data folder, for who restores that from a backup must not restore this, too.

That nobody claimed between two workers is known of a store alone that lives and ends with them: the
embedded one. With another, and once two workers were there at a time, the file tells nothing.
"""

import fcntl
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock

MEMORY = Path("/dev/shm")  # noqa: S108  the folder in it is ours alone, or not used
"""Files in memory, gone when the computer stops; where there are none (macOS) nothing is kept."""
LENGTH = 256
"""Bytes of the record, which one write replaces."""
_MARK = re.compile(r"[0-9]+\.[0-9]+", re.ASCII)
"""Mark of a claim: in which history of the store, and its number there (claim.lua)."""


class LastClaim:
    """The last claim of this worker, or of the one before it on this computer.

    Args:
        worker: Its own name; empty: it tells nothing.
        record: What it shares with the worker before and the next; None: nothing.
    """

    def __init__(self, worker: str = "", record: "Record | None" = None) -> None:
        self.worker, self._record = worker, record
        self.former, self.mark = record.read() if record else ("", "")
        self._is_alone, self._lock = True, Lock()  # doors claim at once

    def claimed(self, mark: str) -> None:
        """Hear of a claim, before any of it is sent."""
        with self._lock:
            self._know(max(mark, self.mark, key=_in_order) if self._is_alone else "")

    def hear(self, workers: Iterable[str]) -> None:
        """Hear which workers live: what others claim from now on, this one does not know."""
        with self._lock:
            self._is_alone = set(workers) <= {self.worker, self.former}
            if not self._is_alone and self.mark:
                self._know("")

    def _know(self, mark: str) -> None:
        self.mark = mark
        if self._record:
            self._record.write(self.worker, mark)

    def close(self) -> None:
        """Leave the record to the next worker; one that tells nothing is removed."""
        if self._record:
            self._record.close(kept=self.mark != "")
            self._record = None


class Record:
    """The file: a worker's name, the mark of its last claim, and when their store was created.

    Raises:
        BlockingIOError: another process has it.
        OSError: there is no safe place for it.
    """

    def __init__(self, file: Path, created: str) -> None:
        self._file, self._created = file, created
        self._descriptor = _locked(file)

    def read(self) -> tuple[str, str]:
        """Return name and mark; empty where nobody knows, or of a store that was here before."""
        text = os.pread(self._descriptor, LENGTH, 0).decode("ascii", "replace")
        worker, mark, created, *_ = (*text.split("\n"), "", "", "")
        is_ours = _MARK.fullmatch(mark) and created == self._created
        return (worker, mark) if is_ours else ("", "")

    def write(self, worker: str, mark: str) -> None:
        """Replace what it tells."""
        text = f"{worker}\n{mark}\n{self._created}\n"
        with suppress(OSError):  # a full disk: the next worker is only more careful
            os.pwrite(self._descriptor, text.encode()[:LENGTH].ljust(LENGTH), 0)

    def close(self, *, kept: bool) -> None:
        """Let go of it."""
        if not kept:
            with suppress(OSError):  # others may have theirs in the folder
                self._file.unlink(missing_ok=True)
                self._file.parent.rmdir()
        os.close(self._descriptor)


def of_worker(
    worker: str, data_dir: Path, namespace: str, created: str, memory: Path = MEMORY
) -> LastClaim:
    """Return what a worker of an embedded store knows: of its own claims alone without a record.

    There may be no safe place for one; or another worker has it that lives, and is none before it:
    then the record is removed, for whoever comes after both.

    Args:
        worker: Its name.
        data_dir: The store's, of which a folder has one.
        namespace: In the store.
        created: When the store was: another may have been in the folder before.
        memory: Where records are.
    """
    name = sha256(f"{data_dir.resolve()}\n{namespace}".encode()).hexdigest()[:32]
    try:
        file = _folder(memory) / name
        return LastClaim(worker, Record(file, created))
    except BlockingIOError:
        file.unlink(missing_ok=True)
        return LastClaim(worker)
    except OSError:
        return LastClaim(worker)


def _in_order(mark: str) -> tuple[int, ...]:
    return tuple(map(int, mark.split("."))) if mark else ()


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
