"""How many rows are handled at once: so many, or so heavy ones."""

from collections.abc import Iterable, Iterator

from batches.row import Row

CHUNK = 100
"""Rows per script call: a script touches at most a hundred jobs."""
HEAVY = 8_000_000
"""Characters of rows from which on a chunk is full before that: a row may have 64 million."""


def chunked(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield rows by the hundred, or fewer where they are long."""
    chunk, size = list[Row](), 0
    for row in rows:
        chunk.append(row)
        size += weight(row)
        if len(chunk) == CHUNK or size >= HEAVY:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def weight(row: Row) -> int:
    """Return about how many characters of texts a row has."""
    own = sum(_weight(value) for value in row.columns.values())
    asked = sum(len(message["content"]) for message in row.body["messages"])
    media = sum(len(one) for given in row.body.get("inputs", {}).values() for one in given)
    return own + asked + media


def _weight(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    return len(repr(value)) if isinstance(value, list | dict) else 0
