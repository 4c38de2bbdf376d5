"""Failures of the connection itself, and of the service as a whole."""

import select
import socket
import threading
from typing import Any

from flask import Request, Response

from simulator.errors import RefusedError, error
from simulator.settings import Switchboard

_HTML = (
    "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
)
# How often a hanging answer looks whether the client has left or the outage is over, in seconds.
_LOOK_SECONDS = 0.1


def html(status: int) -> Response:
    """Answer as a proxy in front of the service would."""
    return Response(_HTML, status, content_type="text/html")


def close_connection(request: Request) -> Response:
    """Close the client's connection; the answer returned goes nowhere."""
    _socket(request).shutdown(socket.SHUT_RDWR)
    return Response(status=500)


class Outage:
    """Fails everything on /v1 while the setting `outage` says so."""

    def __init__(self, board: Switchboard, most_hanging: int) -> None:
        self._board = board
        # Hanging answers hold threads; enough must stay free to lift the outage.
        self._hanging = threading.Semaphore(most_hanging)

    def answer(self, request: Request) -> Response | None:
        """Return the failure to answer with, or None when the service is up.

        Raises:
            RefusedError: 500 with a documented error.
        """
        kind = self._board.current.outage
        if kind is None:
            return None
        if kind == "500":
            raise RefusedError(500, error("internalServerError"))
        if kind == "html":
            return html(502)
        if kind == "hang" and self._hanging.acquire(blocking=False):
            try:
                self._wait_for_client(_socket(request))
            finally:
                self._hanging.release()
        return close_connection(request)

    def _wait_for_client(self, client: socket.socket) -> None:
        while self._board.current.outage == "hang":
            readable, _, _ = select.select([client], [], [], _LOOK_SECONDS)
            if readable and not client.recv(1, socket.MSG_PEEK):
                return


def _socket(request: Request) -> Any:  # noqa: ANN401 - WSGI's environment is untyped
    return request.environ["gunicorn.socket"]
