"""The bytes of local files: opened where the manifest named them, and read as they were hashed."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO

from tasks.wire.media import PIECE

_LINKED = (errno.ELOOP, errno.ENOTDIR, errno.EMLINK)
"""What opening without following links gives where one stands."""
_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe must not hold us


class Unusable(Exception):
    """A file that cannot be uploaded; the text says what is wrong with it, without its name."""


@contextmanager
def opened(path: Path, size: int) -> Iterator[IO[bytes]]:
    """Open the file that was seen at `path`, which has no symbolic link in it.

    Raises:
        Unusable: it is not there, cannot be read, is another kind of file, has another size, or a
            folder or it was replaced by a link since.
    """
    with _readable():
        descriptor = _descend(path)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise Unusable("is not a regular file")
    with os.fdopen(descriptor, "rb") as stream:
        if status.st_size != size:
            was = f"{size} bytes then, {status.st_size} now"
            raise Unusable(f"has changed since the manifest was checked ({was})")
        if not size:
            raise Unusable("is empty")
        yield stream


def _descend(path: Path) -> int:
    """Open a file folder by folder, so that no link is followed wherever it is put meanwhile."""
    folder = os.open(path.anchor, _PASS)
    try:
        for part in path.parts[1:-1]:
            inner = os.open(part, _PASS, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(path.name, _READ, dir_fd=folder)
    finally:
        os.close(folder)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if exc.errno in _LINKED:
            raise Unusable("was replaced by, or lies behind, a symbolic link") from exc
        raise Unusable(f"cannot be read: {exc.strerror}") from exc


def digest(stream: IO[bytes], go_on: Callable[[], None]) -> str:
    """Return the SHA-256 of a file; `go_on` is called for each piece, and may raise.

    Raises:
        Unusable: it cannot be read.
    """
    found = sha256()
    with _readable():
        stream.seek(0)
        while piece := stream.read(PIECE):
            go_on()
            found.update(piece)
    return found.hexdigest()


def pieces(
    stream: IO[bytes], size: int, expected: str, told: Callable[[int], None]
) -> Iterator[bytes]:
    """Yield a file from its start; the last piece only where the whole is what was expected.

    Args:
        stream: The open file.
        size: Its bytes.
        expected: Its SHA-256.
        told: Hears the bytes of each piece before it is given out; may raise.

    Raises:
        Unusable: it changed meanwhile, or cannot be read.
    """
    found, seen, held = sha256(), 0, b""
    with _readable():
        stream.seek(0)
    while piece := _next(stream):
        seen += len(piece)
        found.update(piece)
        if seen > size:
            break
        if held:
            yield held
        told(len(piece))
        held = piece
    if found.hexdigest() != expected:
        raise Unusable("changed while it was uploaded")
    yield held


def _next(stream: IO[bytes]) -> bytes:
    with _readable():
        return stream.read(PIECE)
