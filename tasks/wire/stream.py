"""A streamed answer: byte lines in, events out, with our own check of `[DONE]` (contract §9).

Each `data:` line is one event, as the official client reads them: JSON has no line ends of its own.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tasks.wire.answer import Item, Kind, Unreadable, items, parse
from tasks.wire.request import dumps
from tasks.wire.result import Result, Usage

_FIELDS = (b":", b"data:", b"event:", b"id:", b"retry:")
_DONE = b"[DONE]"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Event:
    """What one piece of an answer adds to it; an answer that came whole is one event."""

    text: str = ""
    reasoning: str = ""
    finish_reason: str | None = None
    cost: int | None = None  # nano-dollars; None where not reported
    usage: Usage | None = None
    error: Item | None = None  # the task was refused, or has failed; nothing follows
    is_last: bool = False  # the answer is whole: without such an event it was cut
    is_damaged: bool = False  # a line that could not be read: text may be missing


def lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Split bytes, in pieces of any size, at line ends; what stands after the last is a line too.

    The work grows with the bytes, however long a line is.
    """
    unfinished: list[bytes] = []
    for piece in pieces:
        first, *others = piece.split(b"\n")
        unfinished.append(first)
        for start in others:
            yield b"".join(unfinished)
            unfinished = [start]
    if last := b"".join(unfinished):
        yield last


def is_stream(line: bytes) -> bool:
    """Whether an answer with this first line is a stream; the contract has JSON in its place."""
    return line.removeprefix(_BOM).strip().startswith(_FIELDS)


def events(given: Iterable[bytes], task_uuid: str) -> Iterator[Event]:
    """Read the lines of a stream until `[DONE]` or the error that ends it.

    Args:
        given: Lines, with or without their ends.
        task_uuid: Whose stream it is; an error that names another task is passed over (§17.15).

    Yields:
        What each line adds. Comments, unknown fields and values of other types add nothing.
    """
    has_text = False
    for line in given:
        payload = _payload(line)
        if payload == _DONE:
            yield Event(is_last=True)
            return
        for event in _read(payload, task_uuid, has_text=has_text) if payload else ():
            yield event
            if event.error:
                return
            has_text = has_text or bool(event.text)


def whole(found: Iterable[Item], task_uuid: str) -> Event | None:
    """Return the answer to one task that came in one JSON body, or None where there is none.

    A success is believed before an error, an error that names the task before one that names
    nobody.
    """
    ours = [item for item in found if item.task_uuid in (None, task_uuid)]
    for item in sorted(ours, key=lambda item: (item.kind is Kind.ERROR, item.task_uuid is None)):
        if item.kind is Kind.ERROR:
            return Event(error=item)
        if item.kind is Kind.SUCCESS:
            return replace(_added(item, item.raw, between="\n"), is_last=True)
    return None


def _payload(line: bytes) -> bytes:
    field, _, value = line.removeprefix(_BOM).strip().partition(b":")
    return value.strip() if field == b"data" else b""


def _read(payload: bytes, task_uuid: str, *, has_text: bool) -> Iterator[Event]:
    try:
        # A damaged character must not cost the words beside it: they are paid for.
        found = items(parse(payload.decode("utf-8", "replace").encode()))
    except Unreadable:
        yield Event(is_damaged=True)
        return
    for item in found:
        if item.kind is not Kind.ERROR:
            yield _chunk(item, has_text=has_text)
        elif item.task_uuid in (None, task_uuid):
            yield Event(error=item)


def _chunk(item: Item, *, has_text: bool) -> Event:
    if item.kind is Kind.SUCCESS and "delta" not in item.raw and not has_text:
        return _added(item, item.raw, between="\n")  # a finished item in place of pieces
    delta = item.raw.get("delta")
    return _added(item, delta if isinstance(delta, dict) else {}, between="")


def _added(item: Item, said: Mapping[str, Any], between: str) -> Event:
    result = Result.model_validate(dict(item.raw))
    reason = result.finishReason
    return Event(
        text=_words(said.get("text"), ""),
        reasoning=_words(said.get("reasoningContent"), between),
        finish_reason=reason if isinstance(reason, str) else None,
        cost=item.cost,
        usage=result.usage,
    )


def _words(value: object, between: str) -> str:
    """Return text; it may be in a list of pieces, or be a JSON value (§8)."""
    if isinstance(value, list):
        return between.join(_words(piece, "") for piece in value)
    if value is None or isinstance(value, str):
        return value or ""
    return dumps(value).decode()
