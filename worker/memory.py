"""What Flower keeps of its rows, and where, over a restart of its own.

Seen with Flower 2.2 and 20,000 rows (Python's plain dbm): a save takes 0.3 s, in which Flower does
nothing else, and writes 8 MB anew, so that the file never grows; loading takes 1.5 s. It saves at
each interval and when it is told to stop; what came after the last save is lost with a Flower that
is killed, and shown again by the worker (events.py). A file that cannot be read is moved aside as
`*.corrupt`, and Flower starts empty. That alone fails, and ends Flower, where the folder cannot be
written; there it keeps nothing.
"""

import os
from contextlib import suppress
from pathlib import Path

MOST_ROWS = 20_000
"""Rows that Flower keeps, the latest; about 170 MB. It is a window, the store is the record."""
SAVE_EVERY_MS = 60_000


def path(data_dir: Path) -> Path:
    """Return where the rows stand; the folder is made where that is possible."""
    folder = data_dir.absolute() / "flower"
    with suppress(OSError):  # a read-only image, say: `is_usable` will tell
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / "rows"


def is_usable(file: str) -> bool:
    """Whether Flower may keep its rows there; pickles, so that nobody else must write there."""
    folder = Path(file).parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
