"""Columns that look as if they were meant to be sent: only the user's word carries them along."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from batches.body import nested
from batches.columns import IGNORED, MEDIA, OURS, OUTPUT, REQUEST, is_alias, meant
from batches.files import kind_of

_KNOWN = REQUEST.union(IGNORED, OURS, OUTPUT)


def misspelt(given: Mapping[str, Any], passengers: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield columns that are called almost as a field, each with that field."""
    for name in given:
        if name not in passengers and (field := meant(name)):
            yield name, field


def media_left_behind(
    given: Mapping[str, Any], passengers: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Yield columns with a medium, each with the field that would send it.

    Of a row without a medium of its own: the model would answer about none, and be paid.
    """
    for name, value in given.items():
        if name in passengers or name in _KNOWN or meant(name):
            continue
        if field := _medium(name, value):
            yield name, field


def only_carried(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield the columns of a row that are read again where they are named passengers alone."""
    yield from (name for name, _ in misspelt(row, ()))
    if not nested(row).get("inputs"):
        yield from (name for name, _ in media_left_behind(row, ()))


def _medium(name: str, value: object) -> str:
    """Return the field a column was meant to be, by what stands in it or by its name; or ''."""
    if isinstance(value, list):
        first = next((each for each in value if isinstance(each, str)), "")
        return MEDIA.get(kind_of(first.strip()) or "", "")
    if not isinstance(value, str) or not value:
        return ""
    return kind_of(value.strip()) or ("video" if is_alias(name) else "")
