"""Columns that look as if they were meant to be sent: only the user's word carries them along."""

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Any

from batches.body import nested
from batches.columns import IGNORED, MEDIA, OURS, OUTPUT, REQUEST, is_alias, meant
from batches.files import is_medium, kind_of
from tasks.wire.answer import Unreadable, parse

_KNOWN = REQUEST.union(IGNORED, OURS, OUTPUT)
_KINDS = {name: one for one, many in MEDIA.items() for name in (one, many)}
_MOST_VALUES = 256
"""Of a list or an object so many values are looked at, the outer ones first."""


def misspelt(given: Mapping[str, Any], passengers: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield columns that are called almost as a field, each with that field."""
    for name in given:
        if name not in passengers and (field := meant(name)):
            yield name, field


def media_left_behind(
    given: Mapping[str, Any], passengers: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Yield columns with a medium, each with what to do so that it is sent.

    Of a row without a medium of its own: the model would answer about none, and be paid.
    """
    for name, value in given.items():
        if name in passengers or name in _KNOWN or meant(name):
            continue
        if way := _way(name, value):
            yield name, way


def only_carried(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield the columns of a row that are read again where they are named passengers alone."""
    yield from (name for name, _ in misspelt(row, ()))
    if not nested(row).get("inputs"):
        yield from (name for name, _ in media_left_behind(row, ()))


def _way(name: str, value: object) -> str:
    """Return how what stands in a column, or its name, would be sent as a medium; or ''."""
    value = _read(value)
    if isinstance(value, str):
        field = value and (kind_of(value.strip()) or ("video" if is_alias(name) else ""))
        return field and f"rename it {field}"
    field = _medium_within(name, value)
    if field and isinstance(value, list) and all(map(_is_named_medium, value)):
        return f"rename it {MEDIA[field]}"
    return field and f"give the medium in it a column {field}"


def _read(value: object) -> object:
    """Return the list or object that a table's cell holds as JSON, else the value itself."""
    if not isinstance(value, str) or value.lstrip()[:1] not in {"[", "{"}:
        return value
    try:
        return parse(value.encode("utf-8", "replace"))
    except Unreadable:
        return value


def _is_named_medium(value: object) -> bool:
    return isinstance(value, str) and kind_of(value.strip()) is not None


def _medium_within(name: str, value: object) -> str:
    """Return the kind of the first medium in a list or an object; or ''."""
    near = deque([(name, value)])
    for _ in range(_MOST_VALUES):
        if not near:
            break
        name, value = near.popleft()
        if isinstance(value, str) and (kind := _kind(name, value.strip())):
            return kind
        room = _MOST_VALUES - len(near)
        if isinstance(value, dict):
            near.extend(islice(value.items(), room))
        elif isinstance(value, list):
            near.extend((name, each) for each in islice(value, room))
    return ""


def _kind(name: str, text: str) -> str:
    """Return what a text is by its ending, or, where it could be sent, by the name over it."""
    told = _KINDS.get(name) or ("video" if is_alias(name) else "")
    return kind_of(text) or (told if told and is_medium(text) else "")
