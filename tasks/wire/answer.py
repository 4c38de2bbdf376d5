"""What the provider says: one reader for ack, getResponse and callback bodies (contract §3-§6)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, NoReturn

from tasks.ids import result_digest
from tasks.money import nano_from_usd

MOST_DEPTH = 64
"""Deepest nesting read. A real answer has 5 levels; Python's parser gives up near 1,000."""


class Unreadable(ValueError):
    """A body that is not the JSON the contract knows; the text says what is wrong with it."""


class Kind(StrEnum):
    """What one item of an answer is."""

    SUCCESS = "success"
    ERROR = "error"
    PROCESSING = "processing"  # accepted and running, also a bare acknowledgment
    OTHER = "other"  # nothing about a textInference task (authentication, unknown types)


@dataclass(frozen=True)
class Item:
    """One element of `data` or `errors`, or a flat callback."""

    kind: Kind
    task_uuid: str | None
    digest: str  # membership key of a success, signature of an error
    cost: int | None  # nano-dollars; None where not reported
    code: str
    message: str
    about_poll: bool  # the error speaks of the getResponse task itself
    raw: Mapping[str, Any]


def parse(body: bytes) -> Any:  # noqa: ANN401  any JSON value
    """Read a body strictly: UTF-8 without BOM, no NaN, no duplicate keys, bounded depth.

    Raises:
        Unreadable: for anything else; money in it is read with Decimal.
    """
    try:
        text = body.decode("utf-8")
        _check_depth(text)
        return json.loads(
            text, parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=_no_twins
        )
    except (ValueError, RecursionError) as exc:
        raise Unreadable(str(exc)[:200]) from exc


def _check_depth(text: str) -> None:
    # Counts brackets inside strings too: a cheap upper bound first, the exact count only above it.
    if text.count("[") + text.count("{") <= MOST_DEPTH:
        return
    depth, in_string, escaped = 0, False, False
    for char in text:
        if escaped:
            escaped = False
        elif in_string:
            escaped, in_string = char == "\\", char != '"'
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
            if depth > MOST_DEPTH:
                raise Unreadable(f"nested deeper than {MOST_DEPTH} levels")
        elif char in "]}":
            depth -= 1


def _refuse(constant: str) -> NoReturn:
    raise Unreadable(f"{constant} is not JSON")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise Unreadable("an object names a key twice")
    return unique


def items(body: object) -> list[Item]:
    """Return the items of any documented or observed body shape.

    An envelope with `data` and/or `errors`, the singular `error`, a flat item, or a bare list.

    Raises:
        Unreadable: where the body is neither object nor list.
    """
    if isinstance(body, list):
        return [_item(element, failed=False) for element in body]
    if not isinstance(body, dict):
        raise Unreadable("neither an object nor a list")
    if not _is_envelope(body):
        return [_item(body, failed=False)]
    return list(_pooled(body))


def _is_envelope(body: Mapping[str, Any]) -> bool:
    if isinstance(body.get("data"), list | dict) or isinstance(body.get("errors"), list | dict):
        return True
    # The singular error of a refused stream; a flat failed item has a status beside it.
    return isinstance(body.get("error"), dict) and "status" not in body


def _pooled(body: Mapping[str, Any]) -> Iterator[Item]:
    for element in _listed(body.get("data")):
        yield _item(element, failed=False)
    for element in _listed(body.get("errors")):
        yield _item(element, failed=True)
    error = body.get("error")
    if isinstance(error, dict):
        yield _item({**body, **error}, failed=True)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _item(element: object, *, failed: bool) -> Item:
    raw: dict[str, Any] = element if isinstance(element, dict) else {"value": element}
    error = raw.get("error")
    nested: dict[str, Any] = error if isinstance(error, dict) else {}
    code = str(raw.get("code") or nested.get("code") or "")
    message = str(raw.get("message") or nested.get("message") or "")
    kind = Kind.ERROR if failed else _kind(raw, code)
    uuid = raw.get("taskUUID")
    return Item(
        kind=kind,
        task_uuid=uuid if isinstance(uuid, str) else None,
        digest=_digest(kind, raw, code, message),
        cost=nano_from_usd(raw.get("cost")),
        code=code or ("unknownError" if kind is Kind.ERROR else ""),
        message=message,
        about_poll=raw.get("taskType") == "getResponse" and kind is Kind.ERROR,
        raw=raw,
    )


def _kind(raw: Mapping[str, Any], code: str) -> Kind:
    status = raw.get("status")
    if status in {"error", "failed"} or (code and status is None and "text" not in raw):
        return Kind.ERROR
    if status in {"processing", "pending"}:  # before the fields: a running item may have text
        return Kind.PROCESSING
    if raw.get("taskType") not in {"textInference", "getResponse", None}:
        return Kind.OTHER
    if status == "success" or raw.get("text") is not None or raw.get("finishReason"):
        return Kind.SUCCESS
    return Kind.PROCESSING if isinstance(raw.get("taskUUID"), str) else Kind.OTHER


def _digest(kind: Kind, raw: Mapping[str, Any], code: str, message: str) -> str:
    if kind is Kind.ERROR:
        return result_digest(code, None, message)
    return result_digest(raw.get("text"), raw.get("seed"), raw.get("finishReason"))
