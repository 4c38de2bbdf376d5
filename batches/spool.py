"""A manifest that can be read once only, kept so that it can be read again."""

import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO


def spool(stream: BinaryIO, folder: Path, file_name: str) -> Path:
    """Write a stream to a file in `folder`, in place of an older one; returns its path.

    Raises:
        OSError: it cannot be written; nothing is left of it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / file_name
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".", delete=False) as file:
        try:
            shutil.copyfileobj(stream, file, 1 << 20)
            file.flush()
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    return path
