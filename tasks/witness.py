"""What a worker knows of its last claim when the store has come up anew: whether that was lost.

The last fencing token is kept in the process and, for the worker that follows one which was killed,
in a file that lives no longer than the computer runs. It stands outside of the data folder: who
restores that from a backup must not restore this, too.
"""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")
"""Tells one run of the computer from the next, in which the disk may lack what was written last."""
LENGTH = 256
"""Bytes of the record, which one write replaces."""


class Witness:
    """The last claim of this worker, or of the one before it on this computer.

    Args:
        worker: Its own name; empty: it tells nothing.
        keep: Writes a record down.
        former: Name and token of the worker before; empty where nobody knows.
        file: Where that is.
    """

    def __init__(
        self,
        worker: str = "",
        keep: Callable[[bytes], object] = lambda _: None,
        former: tuple[str, str] = ("", ""),
        file: Path | None = None,
    ) -> None:
        self.worker, self._keep, self._file = worker, keep, file
        self.former, self.token = former

    def claimed(self, token: str) -> None:
        """Hear of a claim, before any of it is sent."""
        self.token = token
        self._keep(_record(self.worker, token))

    def forget(self) -> None:
        """Remove the record: the worker has ended in order."""
        if self._file:
            with suppress(OSError):  # others may have theirs in the folder
                self._file.unlink(missing_ok=True)
                self._file.parent.rmdir()


def of_worker(worker: str, data_dir: Path, namespace: str) -> Witness:
    """Return the witness of a worker; without a safe place for a record it knows its own claims."""
    try:
        file = _folder() / sha256(f"{data_dir.absolute()}\n{namespace}".encode()).hexdigest()[:32]
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        former = _read(os.pread(descriptor, LENGTH, 0))
    except OSError:
        return Witness(worker)

    def keep(record: bytes) -> None:
        with suppress(OSError):  # a full disk: the next worker is only more careful
            os.pwrite(descriptor, record, 0)

    return Witness(worker, keep, former, file)


def _folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"reelqueue-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or folder.is_symlink():
        raise PermissionError("somebody else's folder")
    return folder


def _record(worker: str, token: str) -> bytes:
    return f"{_boot()}\n{worker}\n{token}\n".encode()[:LENGTH].ljust(LENGTH)


def _read(record: bytes) -> tuple[str, str]:
    boot, _, rest = record.decode("ascii", "replace").partition("\n")
    worker, token, *_ = (*rest.split("\n"), "")
    is_of_this_run = bool(boot) and boot == _boot()
    return (worker, token) if is_of_this_run and token.isdecimal() else ("", "")


def _boot() -> str:
    try:
        return BOOT.read_text("ascii").strip()
    except OSError:
        return ""
