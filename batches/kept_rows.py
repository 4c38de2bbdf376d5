"""The rows that a check has passed, kept on disk until they are queued.

Checking a row takes most of the time that a row takes: kept as it was read, none is read twice, and
what is queued is what was checked, whatever becomes of the manifest meanwhile.
"""

import pickle
from collections.abc import Iterable, Iterator
from weakref import finalize

from batches.chunks import chunked
from batches.row import Row
from batches.scratch import scratch, scratch_errors

PAGE = 1_000_000
"""Characters of rows from which on a page is full before it has as many rows as a chunk."""


class KeptRows:
    """Rows in their order, a page in memory at a time; gone with the last reference to them."""

    def __init__(self) -> None:
        self._db = scratch("pages (page BLOB)")
        finalize(self, self._db.close)

    def keep(self, rows: Iterable[Row]) -> None:
        """Keep rows, after those before.

        Raises:
            NoRoom: the disk has no room for them.
        """
        for page in chunked(rows, PAGE):
            with scratch_errors():
                self._db.execute("INSERT INTO pages VALUES (?)", [pickle.dumps(page, 5)])

    def __iter__(self) -> Iterator[Row]:
        """Yield them.

        Raises:
            NoRoom: the disk cannot be read.
        """
        with scratch_errors():
            for (page,) in self._db.execute("SELECT page FROM pages ORDER BY rowid"):
                yield from pickle.loads(page)  # noqa: S301  a file without a name, which we wrote
