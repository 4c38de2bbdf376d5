"""Room for what must not fill the memory."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.errors import Error


class NoRoom(Error):
    """A file that queueing needs cannot be written; the text says what to do."""


def scratch(table: str) -> sqlite3.Connection:
    """Open a database with one table; whoever opens it closes it.

    It has no name: SQLite keeps it in a temporary file once it is large, and the system removes
    that however the process ends.

    Args:
        table: Its name and columns.

    Raises:
        NoRoom: the temporary file cannot be written.
    """
    with scratch_errors():
        db = sqlite3.connect("", check_same_thread=False)  # any may drop the last reference
        db.execute("PRAGMA journal_mode = OFF")
        db.execute(f"CREATE TABLE {table}")
    return db


@contextmanager
def scratch_errors() -> Iterator[None]:
    """Say what to do where the temporary file cannot be written or read.

    Raises:
        NoRoom: it cannot.
    """
    try:
        yield
    except sqlite3.Error as exc:
        raise NoRoom(
            f"a temporary file cannot be written ({exc}): make room, or name another folder in "
            "SQLITE_TMPDIR"
        ) from exc
