"""Requests as the store keeps them: JSON, compressed where that is worth its time."""

import json
import zlib
from decimal import Decimal
from typing import Any

SMALL = 256
"""Bytes below which compression saves some fifty, but takes longer than all else for a row."""


WINDOW = 8192
"""Bytes up to which a small window finds all that a large one does. To set the large one up takes
longer than to compress a kilobyte: 61 µs instead of 9 (measured)."""


def packed(raw: bytes, level: int = 6, small: int = SMALL) -> bytes:
    """Return the stored form of a JSON object's bytes; below `small` bytes, they themselves."""
    return raw if len(raw) < small else _compressed(raw, level)


def _compressed(raw: bytes, level: int) -> bytes:
    if len(raw) > WINDOW:
        return zlib.compress(raw, level)
    deflating = zlib.compressobj(level, zlib.DEFLATED, wbits=13, memLevel=5)
    return deflating.compress(raw) + deflating.flush()


def unpacked(blob: bytes) -> Any:  # noqa: ANN401  any JSON value
    """Read what `packed` stored: compressed bytes never begin with a brace.

    Raises:
        TypeError, ValueError, zlib.error: it is nothing that was stored.
    """
    return loaded(inflated(blob))


def inflated(blob: bytes) -> bytes:
    """Return the bytes that `packed` was given."""
    return blob if blob[:1] == b"{" else zlib.decompress(blob)


def loaded(raw: bytes) -> Any:  # noqa: ANN401  any JSON value
    """Read JSON as it is stored."""
    return json.loads(raw, parse_float=Decimal)
