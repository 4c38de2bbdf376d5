"""What the provider says: one reader for ack, getResponse and callback bodies (contract §3-§6)."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, NoReturn

from tasks.errors import Category, category
from tasks.ids import content_digest, result_digest
from tasks.masks import without_callback_tokens, without_token
from tasks.money import nano_from_usd

MOST_DEPTH = 64
"""Deepest nesting read. A real answer has 5 levels; Python's parser gives up near 1,000."""

ENVELOPE = 2
"""Levels that `tasks.claims.pack` puts around an item."""

MOST_VALUES = 200_000
"""Values of one body that are read. A hundred tasks of four results have some 10,000, and Python
makes an object of each: a body of 64 MB may hold thirty million."""

MOST_ITEMS = 10_000
"""Items of one body that are read; a hundred tasks have four results each, and errors."""

MOST_EXPONENT = 307
"""Largest power of ten read, either way: beyond it no double holds the number to write it again."""

LONGEST_CODE = 256
"""Characters of an error's code that are read; the longest that is known has 42 (contract §6)."""

MANY_DIGITS = "a number has too many digits"

_OF_A_REQUEST = frozenset(
    {
        *(Category.AUTH, Category.QUOTA, Category.RATE_LIMIT),
        *(Category.SERVER, Category.VALIDATION, Category.UNKNOWN),
    }
)
"""Categories that, under taskType getResponse, are the poll's own trouble. The others are its
task's, for finished items may carry that taskType too (contract §4)."""


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
    about_poll: bool  # the error speaks of the getResponse task itself, not of the one asked for
    raw: Mapping[str, Any]

    @property
    def is_of_session(self) -> bool:
        """Whether it speaks of the connection and of no task: an authentication, a pong."""
        kinds = ("authentication", "ping")
        return self.kind is Kind.OTHER and not self.task_uuid and self.raw.get("taskType") in kinds

    @property
    def parameter(self) -> str:
        """The field of the task that an error names; empty where it names none."""
        named = self.raw.get("parameter")
        first = named[0] if isinstance(named, list) and named else named
        return first if isinstance(first, str) else ""


def parse(body: bytes, *, stored: bool = False) -> Any:  # noqa: ANN401  any JSON value
    """Read a body strictly: UTF-8 without BOM, no NaN, no twin keys, bounded in depth and values.

    Money in it is read with Decimal, and a callback token of ours that it sends back is masked.
    What is `stored` was read before, and stands in an envelope since.

    Raises:
        Unreadable: for anything else.
    """
    depth, values = MOST_DEPTH, MOST_VALUES
    if stored:
        depth, values = depth + ENVELOPE, values + MOST_ITEMS
    brackets = body.count(b"[") + body.count(b"{")
    if brackets + body.count(b",") > values:
        _check_values(body, values)
    try:
        value = _STRICT.decode(body.decode("utf-8"))
    except RecursionError as exc:
        raise Unreadable(_TOO_DEEP.format(depth)) from exc
    except (json.JSONDecodeError, UnicodeDecodeError, Unreadable) as exc:
        raise Unreadable(str(exc)[:200]) from exc
    except ValueError as exc:  # Python reads no integers of more than 4,300
        raise Unreadable(MANY_DIGITS) from exc
    if brackets > depth:
        _check_depth(value, depth)
    return without_callback_tokens(value) if b"runware" in body and b"webhooks" in body else value


_TOO_DEEP = "nested deeper than {} levels"


def _check_values(body: bytes, most: int) -> None:
    # Without an escape every other piece between quotes is a string: a tenth of the time.
    bare = _STRING.sub(b"", body) if b"\\" in body else b"".join(body.split(b'"')[::2])
    if sum(map(bare.count, (b"[", b"{", b","))) > most:
        raise Unreadable(f"more than {most:,} values")


_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""A string of JSON, or what is left where one has no end: never looked through twice, and without
a memory of where it could have ended (each escape would cost 44 bytes)."""


def _check_depth(value: object, most: int) -> None:
    # Level by level over what was read: long texts full of brackets cost nothing.
    level, depth = [value], 0
    while level := [node for node in level if isinstance(node, dict | list)]:
        depth += 1
        if depth > most:
            raise Unreadable(_TOO_DEEP.format(most))
        level = [
            child for node in level for child in (node.values() if isinstance(node, dict) else node)
        ]


def _decimal(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:  # an exponent of twenty digits
        raise Unreadable("a number is out of range") from None
    if abs(value.adjusted()) > MOST_EXPONENT:
        raise Unreadable("a number is out of range")
    return value


def _refuse(constant: str) -> NoReturn:
    raise Unreadable(f"{constant} is not JSON")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise Unreadable("an object names a key twice")
    return unique


_STRICT = json.JSONDecoder(
    parse_float=_decimal, parse_constant=_refuse, object_pairs_hook=_no_twins
)


def items(body: object, most: int = MOST_ITEMS) -> list[Item]:
    """Return the items of any documented or observed body shape.

    An envelope with `data` and/or `errors`, the singular `error`, a flat item, or a bare list.

    Raises:
        Unreadable: where the body is neither object nor list, or lists more than `most` items.
    """
    lists = [body.get("data"), body.get("errors")] if isinstance(body, dict) else [body]
    if sum(len(listed) for listed in lists if isinstance(listed, list)) > most:
        raise Unreadable(f"more than {most:,} items")  # before one is made of each (15 s)
    if isinstance(body, list):
        return [_item(element, failed=False) for element in body]
    if not isinstance(body, dict):
        raise Unreadable("neither an object nor a list")
    if not _is_envelope(body):
        return [_item(body, failed=False)]
    return list(_pooled(body))


def _is_envelope(body: Mapping[str, Any]) -> bool:
    lists = [body[name] for name in ("data", "errors") if isinstance(body.get(name), list | dict)]
    if any(lists):
        return True
    if body.get("error") and isinstance(body["error"], dict):
        # The singular error of a refused stream; a flat item has a status or a text beside it.
        return "status" not in body and "text" not in body
    return bool(lists) and "taskUUID" not in body  # a flat item may have empty lists beside it


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
    code = _words(raw.get("code") or nested.get("code"))[:LONGEST_CODE]
    message = _words(raw.get("message") or nested.get("message"))
    kind = Kind.ERROR if failed else _kind(raw, code)
    uuid = raw.get("taskUUID")
    by_poll = kind is Kind.ERROR and raw.get("taskType") == "getResponse"
    return Item(
        kind=kind,
        task_uuid=uuid.lower() if isinstance(uuid, str) else None,  # as we write them
        digest=_digest(kind, raw, code, message),
        cost=nano_from_usd(raw.get("cost")),
        code=code or ("unknownError" if kind is Kind.ERROR else ""),
        message=message,
        about_poll=by_poll and category(code) in _OF_A_REQUEST,
        raw=_kept(raw, nested),
    )


def _kept(raw: Mapping[str, Any], nested: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an element without a callback URL of ours that the provider has sent back."""
    said: dict[str, Any] = {}
    if raw.get("message"):
        said["message"] = _words(raw["message"])
    if nested.get("message"):
        said["error"] = {**nested, "message": _words(nested["message"])}
    if not said and "webhookURL" not in raw:
        return raw
    return {name: value for name, value in {**raw, **said}.items() if name != "webhookURL"}


def _words(value: object) -> str:
    """Return text that can be stored, logged and shown: no lone surrogates, no token of ours."""
    if not value:
        return ""
    return without_token(str(value).encode("utf-8", "backslashreplace").decode())


def _kind(raw: Mapping[str, Any], code: str) -> Kind:
    # Tuples, not sets: what stands here may be a list, which has no hash.
    status, answered = raw.get("status"), raw.get("text") is not None or raw.get("finishReason")
    if status in ("error", "failed") or (code and status is None and not answered):
        return Kind.ERROR
    if status in ("processing", "pending"):  # before the fields: a running item may have text
        return Kind.PROCESSING
    if raw.get("taskType") not in ("textInference", "getResponse", None):
        return Kind.OTHER
    if status == "success" or (answered and not _is_begun(raw)):
        return Kind.SUCCESS
    return Kind.PROCESSING if isinstance(raw.get("taskUUID"), str) else Kind.OTHER


def _is_begun(raw: Mapping[str, Any]) -> bool:
    """Whether a status that nobody knows stands beside a text that is empty yet."""
    return bool(raw.get("status")) and not raw.get("text") and not raw.get("finishReason")


def _digest(kind: Kind, raw: Mapping[str, Any], code: str, message: str) -> str:
    if kind is Kind.ERROR:
        return content_digest(code, message)
    return result_digest(raw.get("text"))
