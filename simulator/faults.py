"""Failures of the connection itself, and of the service as a whole."""

import contextlib
import json
import select
import socket
import threading
from typing import Any

from flask import Request, Response

from simulator.errors import RefusedError, error
from simulator.settings import Settings, Switchboard

_HTML = (
    "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
)
# How often a hanging answer looks whether the client has left or the outage is over, in seconds.
_LOOK_SECONDS = 0.1
_REDIRECTS = range(300, 400)

_CODES = {
    401: "invalidApiKey",
    402: "insufficientCredits",
    403: "forbidden",
    429: "rateLimitExceeded",
    500: "internalServerError",
    503: "serviceUnavailable",
    504: "providerGatewayTimeout",
}


def html(status: int) -> Response:
    """Answer as a proxy in front of the service would."""
    return Response(_HTML, status, content_type="text/html")


def client_of(request: Request) -> Any:  # noqa: ANN401 - WSGI's environment is untyped
    """Return the socket of a request's client."""
    return request.environ["gunicorn.socket"]


def close_connection(request: Request) -> Response:
    """Close the client's connection; the answer returned goes nowhere."""
    with contextlib.suppress(OSError):  # The client may have left before.
        client_of(request).shutdown(socket.SHUT_RDWR)
    return Response(status=500)


class Outage:
    """Fails what /v1 is asked while the setting `outage` says so."""

    def __init__(self, board: Switchboard, most_hanging: int) -> None:
        self._board = board
        # Hanging answers hold threads; enough must stay free to lift the outage.
        self._hanging = threading.Semaphore(most_hanging)
        self._lock = threading.Lock()
        self._asked = 0

    def answer(self, request: Request, body: bytes) -> Response | None:
        """Return the failure to answer with, or None when the service is up.

        Raises:
            RefusedError: A status with an error of the documented form.
        """
        settings = self._board.current
        kind = settings.outage
        if kind is None or not _in_scope(body, settings.outage_scope) or not self._turn(settings):
            return None
        if kind.isdigit():
            return _fail_with(int(kind))
        if kind == "html":
            return html(502)
        if kind == "garbage":
            return Response('{"data": [', content_type="application/json")
        if kind == "hang" and self._hanging.acquire(blocking=False):
            try:
                self._wait_for_client(client_of(request))
            finally:
                self._hanging.release()
        return close_connection(request)

    def _turn(self, settings: Settings) -> bool:
        with self._lock:
            self._asked += 1
            return self._asked % settings.outage_every == 0

    def _wait_for_client(self, client: socket.socket) -> None:
        while self._board.current.outage == "hang":
            readable, _, _ = select.select([client], [], [], _LOOK_SECONDS)
            if readable and not client.recv(1, socket.MSG_PEEK):
                return


def _fail_with(status: int) -> Response:
    if status in _REDIRECTS:
        # It leads to a path that is not served: a client that follows it finds nothing.
        return Response(status=status, headers={"Location": "/v1/moved"})
    code = _CODES.get(status, "internalServerError")
    raise RefusedError(status, error(code))


def _in_scope(body: bytes, scope: str) -> bool:
    """Say whether the outage concerns a request; one that is no JSON counts as a submission."""
    if scope == "all":
        return True
    try:
        polls = all(task["taskType"] == "getResponse" for task in json.loads(body))
    except (ValueError, LookupError, TypeError, RecursionError):
        polls = False
    return polls == (scope == "polls")
