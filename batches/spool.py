"""A manifest that can be read once only, kept so that it can be read again."""

import shutil
from pathlib import Path
from typing import BinaryIO

from batches.aside import aside, remove_unlocked


def spool(stream: BinaryIO, folder: Path, file_name: str) -> Path:
    """Write a stream to a file in `folder`, in place of an older one; returns its path.

    Raises:
        OSError: it cannot be written; nothing is left of it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in folder.glob(".*"):  # by a process that was killed, under whatever name
        remove_unlocked(left)
    path = folder / file_name
    with aside(path) as part, part.open("wb") as file:
        shutil.copyfileobj(stream, file, 1 << 20)
    return path
