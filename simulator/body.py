"""From the bytes of a request to its task objects, each with the bytes it was written in."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import IO, NoReturn

from simulator.errors import RefusedError, error

_BLOCK_BYTES = 65_536
_SPACE = re.compile(r"[ \t\n\r]*")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant)


@dataclass(frozen=True, slots=True)
class Task:
    """One element of the request's array.

    Attributes:
        fields: The object; numbers with a fraction are Decimal.
        raw: The bytes it was sent in, so that a resend can be proved byte-equal.
    """

    fields: dict[str, object]
    raw: bytes


def read(stream: IO[bytes], limit: int) -> bytes:
    """Read a whole body.

    What exceeds the limit is read and thrown away: a client still sending would meet a reset
    connection and never see the answer.

    Args:
        stream: The request body.
        limit: Most bytes accepted.

    Raises:
        RefusedError: 413, the body is larger. The real answer is not documented.
    """
    kept = bytearray()
    size = 0
    while block := stream.read(_BLOCK_BYTES):
        size += len(block)
        if size <= limit:
            kept += block
    if size > limit:
        message = f"The request body is larger than {limit} bytes."
        raise RefusedError(413, error("maxBodySizeExceeded", message))
    return bytes(kept)


def tasks(body: bytes) -> list[Task]:
    """Split a request body into its tasks.

    Raises:
        RefusedError: 400, it is no JSON array of at least one object (contract §1).
    """
    try:
        elements = list(_elements(body.decode()))
    except (ValueError, ArithmeticError, RecursionError) as exc:
        raise RefusedError(400, error("invalidJSON", "The request body is not JSON.")) from exc
    if not elements:
        raise RefusedError(400, error("emptyRequest", "The array holds no task."))
    if not all(isinstance(fields, dict) for fields, _ in elements):
        raise RefusedError(400, error("invalidTask", "Every element must be a task object."))
    return [Task(fields, text.encode()) for fields, text in elements if isinstance(fields, dict)]


def _elements(text: str) -> Iterator[tuple[object, str]]:
    """Yield each element of the array with its text."""
    at = _skip_space(text, 0)
    if text[at : at + 1] != "[":
        json.loads(text)  # Broken JSON is told from JSON that is no array.
        raise RefusedError(400, error("invalidRequest", "The request body must be an array."))
    at = _skip_space(text, at + 1)
    if text[at : at + 1] == "]":
        _expect_end(text, at + 1)
        return
    while True:
        value, end = _DECODER.raw_decode(text, at)
        yield value, text[at:end]
        at = _skip_space(text, end)
        if text[at : at + 1] == "]":
            _expect_end(text, at + 1)
            return
        if text[at : at + 1] != ",":
            raise ValueError("expected , or ]")
        at = _skip_space(text, at + 1)


def _skip_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _expect_end(text: str, at: int) -> None:
    if _skip_space(text, at) != len(text):
        raise ValueError("text after the array")
