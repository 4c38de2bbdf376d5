"""A file that is written aside: it takes its place when it is whole, or leaves nothing."""

import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Yield a path to write to, beside `path`; at the end it is flushed to disk and renamed.

    It is locked as long as it is written, so what a killed process has left is known by its
    lock, which nobody holds, and is removed first. A file that is replaced leaves its permissions
    to the new one. A pipe or a device is not replaced: it is yielded itself, to be written to.

    Raises:
        OSError: nothing at `path` has changed.
    """
    if is_stream(path):
        yield path
        return
    path = Path(os.path.realpath(path))  # a link stays one
    _remove_left(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with _locked(part) as file:
            mode = stat.S_IMODE(path.stat().st_mode) if path.is_file() else None
            if mode is not None:
                os.fchmod(file.fileno(), 0o600)  # until it is whole nobody else needs it
            yield part
            os.fsync(file.fileno())
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def is_stream(path: Path) -> bool:
    """Whether `path` is a pipe, or a device as a terminal is; not where nothing is there yet.

    Raises:
        OSError: it is a socket or a disk, or cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISSOCK(mode) or stat.S_ISBLK(mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


@contextmanager
def _locked(part: Path) -> Iterator[BinaryIO]:
    """Open a file and lock it; again where it was taken for a left one, and removed, in between."""
    while True:
        with part.open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(file, part):
                yield file
                return


def _is_at(file: BinaryIO, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False


def _remove_left(path: Path) -> None:
    part = re.compile(rf"\.{re.escape(path.name)}\.\d+\.part", re.DOTALL)
    with suppress(OSError):  # the folder may be written, and not read
        for beside in path.parent.iterdir():
            if part.fullmatch(beside.name):
                remove_unlocked(beside)


def remove_unlocked(path: Path) -> None:
    """Remove a file that nobody is writing aside; of others' files nothing is done."""
    with suppress(OSError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(file, path):  # not where it was finished in between
            path.unlink()
