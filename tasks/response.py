"""What the provider answered, read leniently and never beyond a size."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from itertools import chain
from time import time

import requests

from tasks.errors import ProviderAway
from tasks.line import Line
from tasks.masks import without_key
from tasks.wire.answer import Item, Unreadable, items, parse
from tasks.wire.stream import Event, events, is_stream, lines, whole

MOST_BYTES = 64 * 1024 * 1024
"""Largest answer read: a hundred finished tasks of 128,000 tokens each are about 60 MB."""

MOST_WAIT = 60.0
"""Longest wait that a Retry-After may ask for, in seconds."""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, read leniently: what it says of tasks stands in `items`."""

    status: int
    items: tuple[Item, ...]
    problem: str  # why the body could not be read; empty where it could
    retry_after: float | None  # seconds, where the provider names them (undocumented)
    unread: bytes = b""  # the body that could not be read


def answer_of(response: requests.Response, line: Line, key: str) -> Answer:
    """Read an answer whole; `key` is ours, which it may quote.

    Raises:
        ProviderAway: it is larger than `MOST_BYTES`.
        Exception: what requests and urllib3 raise where it is cut.
    """
    return _answer(response, b"".join(_pieces(response, line)), key)


def events_of(response: requests.Response, line: Line, task_uuid: str, key: str) -> Iterator[Event]:
    """Yield a streamed answer as it comes, or one that came as JSON after all.

    They are told apart by the first line: headers are the first thing a gateway changes.

    Raises:
        ProviderAway: as of `answer_of`, or it is neither an answer nor an error.
        Exception: as of `answer_of`.
    """
    given = (without_key(each, key) for each in lines(_pieces(response, line)))
    first = next((each for each in given if each.strip()), b"")
    if is_stream(first):
        yield from events(chain([first], given), task_uuid)
        return
    answer = _answer(response, b"\n".join([first, *given]), key)
    event = whole(answer.items, task_uuid)
    if event is None:
        problem = answer.problem or f"HTTP {answer.status} with neither an answer nor an error"
        raise ProviderAway(problem, sent=True)
    yield event


def _answer(response: requests.Response, body: bytes, key: str) -> Answer:
    status, wait = response.status_code, _retry_after(response)
    body = without_key(body, key)
    try:
        return Answer(status, tuple(items(parse(body))), "", wait)
    except Unreadable as exc:
        problem = f"HTTP {status} with a body that is no answer: {exc}"
        return Answer(status, (), problem, wait, body)


def _pieces(response: requests.Response, line: Line) -> Iterator[bytes]:
    size = 0
    while piece := response.raw.read1(65_536, decode_content=True):
        size += len(piece)
        if size > MOST_BYTES:
            raise ProviderAway(f"the answer is larger than {MOST_BYTES} bytes", sent=True)
        yield piece
    line.check()  # a line cut in the middle of an answer looks like its end


def _retry_after(response: requests.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    if text.isascii() and text.isdigit():
        return min(float(text), MOST_WAIT)
    until, told = _moment(text), _moment(response.headers.get("Date", ""))
    # Its own clock: ours may be another.
    return None if until is None else max(0.0, min(until - (told or time()), MOST_WAIT))


def _moment(text: str) -> float | None:
    """Return the seconds since 1970 of a date in a header; None where it is none."""
    with suppress(ArithmeticError, LookupError, TypeError, ValueError):
        parsed = parsedate_tz(text)
        return None if parsed is None else float(mktime_tz(parsed))
    return None
