"""How an answer travels: held back, streamed, compressed, slowly, in part or not at all (§17)."""

import contextlib
import gzip
import json
import socket
import time
from collections.abc import Iterator
from email.utils import formatdate
from http import HTTPStatus

from flask import Request, Response

from simulator import faults, sync
from simulator.errors import RefusedError, error
from simulator.reply import Reply
from simulator.settings import Settings
from simulator.stream import CutError
from simulator.words import Modes

# Into how many pieces a slow answer is cut.
_PIECES = 20
# Refusals that a client may try again, and so may carry Retry-After.
_LATER = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
_LIMIT = "concurrentRequestLimitExceeded"


def send(request: Request, reply: Reply, settings: Settings) -> Response:
    """Answer one request."""
    time.sleep(reply.hold)
    timeout = sync.wait(reply)
    if reply.lost or timeout == "close":
        return faults.close_connection(request)
    if reply.html is not None or timeout == "html":
        return faults.html(reply.html or HTTPStatus.GATEWAY_TIMEOUT)
    if timeout == "error":
        told = error("providerGatewayTimeout", "The request took too long; the task goes on.")
        return as_json({"errors": [told]}, HTTPStatus.GATEWAY_TIMEOUT)
    if reply.events is not None:
        return _stream(request, reply)
    reply.mark_delivered()
    response = as_json(reply.json(), reply.http_status(settings.error_status))
    limited = any(item["code"] == _LIMIT for item in reply.errors)
    _say_when(response, reply.retry_after or settings.retry_after, limited=limited)
    return _carried(request, response, reply.transfer)


def refuse(refusal: RefusedError, settings: Settings) -> Response:
    """Answer a request that is refused as a whole."""
    response = as_json(refusal.body, refusal.status)
    _say_when(response, settings.retry_after, limited=False)
    return response


def as_json(value: object, status: int = 200) -> Response:
    """Answer with JSON."""
    return Response(json.dumps(value), status, content_type="application/json")


def _say_when(response: Response, retry_after: str | None, *, limited: bool) -> None:
    """Add Retry-After, in seconds or as a date, where a refusal is worth trying again."""
    if retry_after is None or not (limited or response.status_code in _LATER):
        return
    form, _, seconds = retry_after.rpartition(":")
    later = formatdate(time.time() + int(seconds), usegmt=True)
    response.headers["Retry-After"] = later if form else seconds


def _stream(request: Request, reply: Reply) -> Response:
    events = _until_cut(faults.client_of(request), reply.events or iter(()))
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return Response(events, content_type="text/event-stream", headers=headers)


def _until_cut(client: socket.socket, events: Iterator[bytes]) -> Iterator[bytes]:
    """Pass a stream on, and close the connection where it breaks."""
    try:
        yield from events
    except CutError:
        with contextlib.suppress(OSError):  # The client may have left before.
            client.shutdown(socket.SHUT_RDWR)


def _carried(request: Request, response: Response, modes: Modes) -> Response:
    """Carry an answer as the modes say; one that is cut or has slow headers ends the connection."""
    if "gzip" in modes and "gzip" in request.headers.get("Accept-Encoding", ""):
        response.set_data(gzip.compress(response.get_data(), mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    body = response.get_data()
    if "slow_headers" in modes or "cut" in modes:
        return _by_hand(request, response, modes)
    if "slow" in modes or "chunked" in modes:
        if "chunked" not in modes:
            response.headers["Content-Length"] = str(len(body))
        else:
            del response.headers["Content-Length"]
        response.response = _slowly(body, modes.argument("slow", 0))
    return response


def _by_hand(request: Request, response: Response, modes: Modes) -> Response:
    """Write an answer past the server: its headers slowly, or its body in half."""
    body = response.get_data()
    lines = [f"HTTP/1.1 {response.status}", *(f"{k}: {v}" for k, v in response.headers.items())]
    head = "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1")
    client = faults.client_of(request)
    with contextlib.suppress(OSError):  # The client may leave before the end.
        for piece in _slowly(head, modes.argument("slow_headers", 0)):
            client.sendall(piece)
        client.sendall(body[: len(body) // 2] if "cut" in modes else body)
    return faults.close_connection(request)


def _slowly(content: bytes, seconds: float) -> Iterator[bytes]:
    """Yield bytes in pieces, evenly over the seconds."""
    size = max(1, -(-len(content) // _PIECES))
    starts = range(0, len(content), size)
    for at in starts:
        time.sleep(seconds / len(starts))
        yield content[at : at + size]
