"""The user's columns of a table: which there are, and of what kind their values are."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any

from tasks import reading, reading_requests
from tasks.store import Store

PAGE = 500
"""Requests read at once."""
INT64 = range(-(2**63), 2**63)
_EXACT = range(-(2**53), 2**53 + 1)
"""Integers that a double holds, each."""


class Kind(StrEnum):
    """What all values of a column are, those that are missing aside."""

    BOOL = "bool"
    INT = "int"
    LARGE = "large"  # integers of which not every double holds each
    FLOAT = "float"
    TEXT = "text"
    JSON = "json"  # of several kinds, nested, or a number that its column's type would round


def kinds(store: Store, batch_id: str) -> dict[str, Kind]:
    """Return the columns of a batch's rows, in the order of their first appearance."""
    found: dict[str, Kind | None] = {}
    for columns in _columns(store, batch_id):
        for name, value in columns.items():
            found[name] = _both(found.get(name), _kind(value))
    return {name: kind or Kind.TEXT for name, kind in found.items()}


def holds(kind: Kind, value: object) -> bool:
    """Whether a column that was found to be of this kind would still be, with this value in it."""
    both = _both(kind, _kind(value))
    return both is kind or {kind, both} == {Kind.INT, Kind.LARGE}


def _columns(store: Store, batch_id: str) -> Iterator[Mapping[str, Any]]:
    for jobs in reading.rows(store, batch_id, PAGE):
        known = [(job, batch_id) for job in reading.known(store, jobs)]
        for request in reading_requests.each_request(store, known):
            yield request.columns


def _kind(value: object) -> Kind | None:
    match value:
        case None:
            return None
        case bool():
            return Kind.BOOL
        case int():
            return _integer(value)
        case Decimal() | float():
            return Kind.FLOAT if Decimal(repr(float(value))) == value else Kind.JSON
        case str():
            return Kind.TEXT
        case _:
            return Kind.JSON


def _integer(value: int) -> Kind:
    if value not in INT64:
        return Kind.JSON
    return Kind.INT if value in _EXACT else Kind.LARGE


_TOGETHER = {
    frozenset({Kind.INT, Kind.LARGE}): Kind.LARGE,
    frozenset({Kind.INT, Kind.FLOAT}): Kind.FLOAT,
}
"""Kinds that one column may have values of; of others it is JSON."""


def _both(one: Kind | None, other: Kind | None) -> Kind | None:
    if one is None or other is None or one is other:
        return one or other
    return _TOGETHER.get(frozenset({one, other}), Kind.JSON)
