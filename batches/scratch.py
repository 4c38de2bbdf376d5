"""Room for what must not fill the memory."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from tasks.errors import Error


@contextmanager
def scratch(table: str) -> Iterator[sqlite3.Connection]:
    """Open a database with one table, for the length of a block.

    It has no name: SQLite keeps it in a temporary file once it is large, and the system removes
    that however the process ends.

    Args:
        table: Its name and columns.

    Raises:
        Error: the temporary file cannot be written.
    """
    try:
        with closing(sqlite3.connect("")) as db:
            db.execute("PRAGMA journal_mode = OFF")
            db.execute(f"CREATE TABLE {table}")
            yield db
    except sqlite3.Error as exc:
        raise Error(
            f"a temporary file cannot be written ({exc}): make room, or name another folder in "
            "SQLITE_TMPDIR"
        ) from exc
