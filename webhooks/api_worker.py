"""The API's gunicorn worker: like the door's, with time for large bodies, and JSON for errors."""

import threading
from typing import Any

from webhooks import gunicorn_worker
from webhooks.api_errors import body_of

BODY_SECONDS = 300.0
"""Longest a client may take to send a manifest, whose head was sent in time and bears the token."""

STALL_SECONDS = 30.0
"""Longest without a byte, in either direction, until a connection is given up."""

KINDS = {"400": "invalid_request", "417": "invalid_request", "503": "unavailable"}
"""Types of errors by the beginning of a status line; any other says that the head is too large."""

LINGER = gunicorn_worker.Linger(5.0, 110 * 1024 * 1024)
"""How a refused manifest is passed over: a proxy that still sends it would not see the answer, but
a reset, and tell its client 502."""

BRISKLY = LINGER._replace(pace=8 * 1024 * 1024)
"""The same for who bears no token: a proxy is quicker, and who drips must not hold every thread."""

_request = threading.local()
"""`admitted`: whether that of this thread bears the token."""


def admitted() -> None:
    """Hear that the request of this thread bears the token."""
    _request.admitted = True


class Worker(gunicorn_worker.Worker):
    """Serves requests in threads, each for a bounded time."""

    @property
    def linger(self) -> gunicorn_worker.Linger:
        """What a client whose connection is closed may still send."""
        return LINGER if _request.admitted else BRISKLY

    def serve(self, conn: Any) -> Any:  # noqa: ANN401  gunicorn's own types
        """Serve one request of a connection."""
        _request.admitted = False
        return super().serve(conn)

    def handle_request(self, req: Any, conn: Any) -> Any:  # noqa: ANN401  gunicorn's own types
        """Serve a request whose head has come.

        Raises:
            StopIteration: gunicorn's word for a connection to be closed: the client has stalled.
        """
        self.extend(conn, BODY_SECONDS)
        conn.sock.settimeout(STALL_SECONDS)
        try:
            return super().handle_request(req, conn)
        except TimeoutError:
            raise StopIteration from None

    def refusal(self, status: str) -> tuple[bytes, str]:
        """Return body and content type of the answer to what is no request."""
        kind = KINDS.get(status[:3], "too_large")
        return body_of(kind, status[4:]), "application/json"
