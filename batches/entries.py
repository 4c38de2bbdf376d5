"""What is recorded of a row: the job's fields, and the request, of which what rows share once."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from batches.budget import Budget
from batches.supply import Supplied
from tasks import ids
from tasks.money import reservation
from tasks.packing import packed
from tasks.wire.request import DEFAULT_MAX_TOKENS, dumps

OWN = ("inputs", "seed")
"""Request fields that differ from row to row; the rest is stored once per batch."""


class Fields(NamedTuple):
    """What is recorded of a row, in the order in which the scripts read it."""

    job: str
    row: int
    expected: int
    digest: str
    reservation: int  # nano-dollars
    input: bytes


class Common:
    """The request parts that rows share, by digest."""

    def __init__(self) -> None:
        self._parts: dict[str, bytes] = {}
        self._last: tuple[Mapping[str, Any] | None, str] = None, ""

    def taken(self) -> dict[str, bytes]:
        """Return those that rows brought since the last time."""
        parts, self._parts = self._parts, {}
        return parts

    def digest(self, part: Mapping[str, Any]) -> str:
        """Return the digest under which a part is kept; mostly that of the row before."""
        last, digest = self._last
        if part != last:
            raw = dumps(part)
            digest = ids.short_digest(raw)
            self._parts.setdefault(digest, packed(raw))
            self._last = part, digest
        return digest


def entry(job: str, one: Supplied, common: Common, budget: Budget | None = None) -> Fields:
    """Return what is recorded of a row as the job of this id."""
    row, body = one.row, bounded(one.body, budget)
    own: dict[str, Any] = {
        "custom_id": row.custom_id,
        "shared": common.digest({k: v for k, v in body.items() if k not in OWN}),
        "body": {k: v for k, v in body.items() if k in OWN},
    }
    if row.files:
        inputs = row.body["inputs"].items()
        own["files"] = {kind: given for kind, given in inputs if row.files.keys() & {*given}}
    expected = row.body.get("numberResults", 1)
    most_tokens = row.body.get("settings", {}).get("maxTokens", DEFAULT_MAX_TOKENS)
    reserved = reservation(most_tokens, expected, long=bool(budget and budget.is_long))
    stored = packed(_stored({**own, "columns": row.columns}))
    return Fields(job, row.line, expected, one.digest, reserved, stored)


def _stored(row: Mapping[str, Any]) -> bytes:
    """Return a row as JSON, with every digit that the numbers in its columns have."""
    try:
        return _PLAIN.encode(row).encode()
    except TypeError:  # a Decimal is among them
        return _exact(row).encode()


_PLAIN = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def _exact(value: object) -> str:
    match value:
        case Decimal():
            return str(value)
        case Mapping():
            pairs = (f"{_exact(name)}:{_exact(one)}" for name, one in value.items())
            return f"{{{','.join(pairs)}}}"
        case list():
            return f"[{','.join(map(_exact, value))}]"
        case _:
            return _PLAIN.encode(value)


def bounded(body: Mapping[str, Any], budget: Budget | None) -> Mapping[str, Any]:
    """Return what is sent: under a limit maxTokens is said, not left to a default."""
    settings = body.get("settings", {})
    if budget is None or "maxTokens" in settings:
        return body
    return {**body, "settings": {**settings, "maxTokens": DEFAULT_MAX_TOKENS}}
