"""A row of a table as a line of JSON."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any


def json_line(row: Mapping[str, Any]) -> bytes:
    """Return one JSON line, UTF-8; money as a plain decimal, never with an exponent."""
    # Only lone surrogates cannot be encoded; \udXXX is how JSON writes them.
    return f"{json_text(dict(row))}\n".encode("utf-8", "backslashreplace")


def json_text(value: object) -> str:
    """Return a value as JSON, on one line, with every digit of its numbers."""
    match value:
        case Decimal():
            return f"{value:f}"
        case dict():
            pairs = (f"{json_text(name)}: {json_text(one)}" for name, one in value.items())
            return f"{{{', '.join(pairs)}}}"
        case list() | tuple():
            return f"[{', '.join(map(json_text, value))}]"
        case _:
            return json.dumps(value, ensure_ascii=False)
