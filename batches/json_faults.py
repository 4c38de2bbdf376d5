"""What is wrong with JSON that some readers take, and not all alike: which column, which fix."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from batches.problems import SHOWN, RowError, shown
from tasks.wire.answer import MANY_DIGITS, Unreadable, parse


@dataclass(frozen=True)
class _Fault:
    """Stands where a value is that a strict reader refuses."""

    key: str  # that stands twice; else empty
    value: str  # as it is to be shown
    problem: str


def fault(line: int, text: str, why: str) -> RowError:
    """Return what a strict reader meant, with its column where that can be told.

    Args:
        line: Of the row.
        text: The row.
        why: What the strict reader said.
    """
    try:
        found = _found(_LENIENT.decode(text))
    except (ValueError, RecursionError):
        found = None
    if found is None:
        problem = f"cannot be read: {why}; make of what is yours one text, in quotes"
        return RowError(line, "row", shown(text), problem)
    column, odd = found
    if column is None:
        return RowError(line, odd.key, "", "stands twice in the row; take one out")
    return RowError(line, column, odd.value, odd.problem)


def _found(row: object) -> tuple[str | None, _Fault] | None:
    """Return the first fault of a row, and its column; None where it is that of a column's name."""
    if isinstance(row, _Fault):
        return None, row
    columns = row.items() if isinstance(row, dict) else ()
    return next(((name, odd) for name, value in columns if (odd := _inside(value))), None)


def _inside(value: object) -> _Fault | None:
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, _Fault):
            return node
        waiting += (
            node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        )
    return None


def _object(pairs: Sequence[tuple[str, Any]]) -> object:
    seen = dict[str, Any]()
    for key, value in pairs:
        if key in seen:
            return _Fault(key, shown(key), "stands twice in an object; take one out")
        seen[key] = value
    return seen


def _constant(text: str) -> _Fault:
    return _Fault("", text, "is no JSON; write null, or text, in quotes")


def _number(text: str) -> object:
    try:
        parse(text.encode())
    except Unreadable as exc:
        many = "has too many digits" if str(exc) == MANY_DIGITS else "is too large or too small"
        short = text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
        return _Fault("", short, f"{many} for a number; write it as text, in quotes")
    return 0


_LENIENT = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_float=_number, parse_int=_number
)
