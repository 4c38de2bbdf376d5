"""How many rows are handled at once: so many, or so heavy ones."""

from collections.abc import Iterable, Iterator

from batches.row import Row

CHUNK = 100
"""Rows per script call: a script touches at most a hundred jobs."""
HEAVY = 8_000_000
"""Characters of rows from which on a chunk is full before that: a row may have 64 million."""


def chunked(rows: Iterable[Row], heavy: int = HEAVY) -> Iterator[list[Row]]:
    """Yield rows by the hundred, or fewer where they have `heavy` characters together."""
    chunk, size = list[Row](), 0
    for row in rows:
        chunk.append(row)
        size += row.weight
        if len(chunk) == CHUNK or size >= heavy:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
