"""`deliveryMethod: stream`: server-sent events, reasoning before text (contract §9)."""

import json
import re
import time
from collections.abc import Iterator

from simulator import acknowledge, items
from simulator.answers import Answer
from simulator.errors import Item, error
from simulator.outcomes import Purchase, Result
from simulator.records import Accepted
from simulator.reply import Reply, sleep_until
from simulator.request import Request
from simulator.settings import Settings
from simulator.words import Modes

_FEW_WORDS = re.compile(r"\s*(?:\S+\s*){1,3}")
# Longer texts come in longer deltas: no stream has more of each kind.
_MOST_DELTAS = 500
_SHORTEST_PING = 0.01
_PING = b": ping\n\n"
_DONE = b"data: [DONE]\n\n"


class CutError(Exception):
    """The connection is to be closed in the middle of the stream."""


def modes_of(asked: Request, settings: Settings) -> Modes:
    """Return how a task's stream goes wrong."""
    return settings.stream if asked.directives.stream is None else asked.directives.stream


def deliver(accepted: Accepted, settings: Settings, reply: Reply) -> None:
    """Answer an accepted task with its stream."""
    asked = accepted.purchase.request
    acknowledge.disturb(asked.directives.ack, reply)
    pause = (
        settings.stream_ping
        if asked.directives.stream_ping is None
        else asked.directives.stream_ping
    )
    events = _events(accepted.purchase, modes_of(asked, settings), max(pause, _SHORTEST_PING))
    reply.events = events


def _events(purchase: Purchase, modes: Modes, pause: float) -> Iterator[bytes]:
    """Yield the stream of a task, its deltas spread over the time the task takes.

    Raises:
        CutError: The connection breaks here.
    """
    (result,) = purchase.results
    deltas = _deltas(purchase.request, result)
    seconds = result.finish_at - purchase.accepted_at
    yield _PING
    for number, delta in enumerate(deltas):
        if number == len(deltas) // 2:
            if "reset" in modes:
                raise CutError
            if "cut" in modes:
                return
        moment = purchase.accepted_at + seconds * (number + 1) / (len(deltas) + 1)
        yield from _pings_until(moment, pause)
        yield _data(_chunk(purchase.request, delta), modes)
    yield from _pings_until(result.finish_at, pause)
    yield _data(_last(purchase.request, result), modes)
    if "undone" not in modes:
        yield _DONE
        result.answered = True


def _pings_until(moment: float, pause: float) -> Iterator[bytes]:
    """Wait for a moment on the monotonic clock, with a comment at every pause."""
    while (left := moment - time.monotonic()) > pause:
        sleep_until(time.monotonic() + min(left, pause))
        yield _PING
    sleep_until(moment)


def _deltas(asked: Request, result: Result) -> list[Item]:
    """Return the pieces of a result; one that fails gets as far as its first thoughts."""
    said = result.outcome
    if not isinstance(said, Answer):
        return [{"reasoningContent": "**Simulated reasoning**\n\n"}]
    silent = asked.directives.thoughts in {"none", "signature"}
    reasoning = [] if silent else _pieces("".join(said.reasoning))
    deltas: list[Item] = [{"reasoningContent": piece} for piece in reasoning]
    return deltas + [{"text": piece} for piece in _pieces(said.text or "")]


def _pieces(text: str) -> list[str]:
    words = _FEW_WORDS.findall(text)
    step = 1 + len(words) // _MOST_DELTAS
    return ["".join(words[at : at + step]) for at in range(0, len(words), step)]


def _chunk(asked: Request, delta: Item, reason: str | None = None) -> Item:
    names = {"taskUUID": asked.task_uuid, "taskType": "textInference"}
    return names | {"delta": delta, "finishReason": reason}


def _last(asked: Request, result: Result) -> Item:
    """Return the final chunk: the reason, and what was asked for; or the failure."""
    if not isinstance(result.outcome, Answer):
        return {"errors": [error(result.outcome) | items.names(asked)]}
    chunk = _chunk(asked, {}, result.outcome.finish_reason)
    if asked.include_usage:
        chunk["usage"] = items.usage(result.outcome)
    if asked.include_cost:
        chunk["cost"] = items.dollars(result.cost_nano)
    return chunk


def _data(chunk: Item, modes: Modes) -> bytes:
    written = {"data": chunk} if "wrapped" in modes and "errors" not in chunk else chunk
    return b"data: " + json.dumps(written).encode() + b"\n\n"
