"""Rows of one custom_id, found on disk: a million ids stay out of memory."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from heapq import nsmallest
from itertools import groupby
from operator import itemgetter

from batches.scratch import scratch, scratch_errors

_WAITING = 10_000


@contextmanager
def twins() -> Iterator["Twins"]:
    """Give a place for the ids of one manifest.

    Raises:
        NoRoom: the disk has no room for them.
    """
    with closing(scratch("ids (id TEXT, line INTEGER)")) as db, scratch_errors():
        yield Twins(db)


class Twins:
    """Takes every id with its line, and tells those that stand twice."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._waiting: list[tuple[str, int]] = []

    def add(self, custom_id: str, line: int) -> None:
        """Take a row's id."""
        self._waiting.append((custom_id, line))
        if len(self._waiting) == _WAITING:
            self._write()

    def _write(self) -> None:
        self._db.executemany("INSERT INTO ids VALUES (?, ?)", self._waiting)
        self._waiting.clear()

    def first(self, most: int) -> tuple[list[tuple[int, int, str]], int]:
        """Return the first `most` repetitions as line, first line, id; and their number."""
        count = 0

        def counted() -> Iterator[tuple[int, int, str]]:
            nonlocal count
            for count, twin in enumerate(self._all(), start=1):  # noqa: B007  counted for outside
                yield twin

        found = nsmallest(most, counted())
        return found, count

    def _all(self) -> Iterator[tuple[int, int, str]]:
        self._write()
        again = "SELECT 1 FROM ids GROUP BY id HAVING count(*) > 1 LIMIT 1"
        if not self._db.execute(again).fetchone():
            return
        rows = self._db.execute("SELECT id, line FROM ids ORDER BY id, line")
        for custom_id, lines in groupby(rows, key=itemgetter(0)):
            first = None
            for _, line in lines:
                if first is not None:
                    yield line, first, custom_id
                first = line if first is None else first
