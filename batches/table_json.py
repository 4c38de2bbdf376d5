"""A row of a table as a line of JSON."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any


def json_line(row: Mapping[str, Any]) -> bytes:
    """Return one JSON line, UTF-8; money as a plain decimal, never with an exponent."""
    line = (
        "{"
        + ", ".join(f"{json_text(key)}: {json_text(value)}" for key, value in row.items())
        + "}\n"
    )
    # Only lone surrogates cannot be encoded; \udXXX is how JSON writes them.
    return line.encode("utf-8", "backslashreplace")


def json_text(value: object) -> str:
    """Return a value as JSON, on one line."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return json.dumps(value, ensure_ascii=False, default=float)
