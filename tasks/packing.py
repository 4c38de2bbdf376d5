"""Requests as the store keeps them: JSON, compressed where that is worth its time."""

import json
import zlib
from decimal import Decimal
from typing import Any

SMALL = 256
"""Bytes below which compression saves some fifty, and takes longer than all else of a row."""


def packed(raw: bytes) -> bytes:
    """Return the stored form of a JSON object's bytes."""
    return raw if len(raw) < SMALL else zlib.compress(raw)


def unpacked(blob: bytes) -> Any:  # noqa: ANN401  any JSON value
    """Read what `packed` stored: compressed bytes never begin with a brace.

    Raises:
        TypeError, ValueError, zlib.error: it is nothing that was stored.
    """
    raw = blob if blob[:1] == b"{" else zlib.decompress(blob)
    return json.loads(raw, parse_float=Decimal)
