"""gunicorn's threaded worker, with its errors silenced and its slow clients bounded.

gunicorn answers what it cannot parse with a page that quotes the request, and writes the request to
its log; here the URL is a secret. And it waits for a slow client for ever.
"""

import math
import select
import socket
from contextlib import suppress
from time import monotonic
from typing import Any, NamedTuple

import structlog
from gunicorn.http import errors
from gunicorn.util import write_nonblock
from gunicorn.workers import gthread

REQUEST_SECONDS = 5.0
"""Longest a client may take to send a request; the provider gives a delivery up after as long."""

STOP_SECONDS = 2.0
"""Longest it may still take once this process was told to stop."""

LINGER_SECONDS = 0.5
"""Longest wait for a client to read its answer and close, so that no reset cuts the answer off."""

LINGER_MOST = 1024 * 1024
"""Most bytes passed over meanwhile."""

GRACE = 0.1
"""Seconds of that before a client's pace is looked at, where it has one to keep."""

STAY_MS = 5
"""Longest that a thread waits for the next request of a connection before the poller has to do it:
two changes between threads for each request, which took a tenth of a callback's time (measured)."""

# Without a first byte a connection goes back to the poller after this time instead of 5 s, in which
# a handful of idle connections would take every thread. An unread body is drained no longer either.
gthread.DEFAULT_WORKER_DATA_TIMEOUT = 0.25

REFUSED = {
    errors.LimitRequestLine: "414 URI Too Long",
    errors.LimitRequestHeaders: "431 Request Header Fields Too Large",
    errors.ExpectationFailed: "417 Expectation Failed",
}
"""Status lines by what the parser raised; any other of its errors is 400."""


class Linger(NamedTuple):
    """How long a client may go on sending that has its answer and is to close."""

    seconds: float
    bytes: int
    pace: float = 0.0  # least bytes a second, of a client that must not hold a thread for so long

    def seconds_left(self, passed: int, since: float) -> float:
        """Return how long the next piece is waited for, `since` seconds after the answer."""
        by_pace = GRACE + passed / self.pace if self.pace else self.seconds
        return min(self.seconds, by_pace) - since


class Worker(gthread.ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Serves requests in threads, each for a bounded time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  gunicorn's signature
        super().__init__(*args, **kwargs)
        self._begun: dict[Any, float] = {}  # connections with a request, by when it began
        self._waiting = set[Any]()  # those of them for which no thread is free yet
        self._stopped: float | None = None

    @property
    def linger(self) -> Linger:
        """What a client whose connection is closed may still send."""
        return Linger(LINGER_SECONDS, LINGER_MOST)

    def notify(self) -> None:
        """Tell the parent that this worker lives (every second), and cut off slow clients."""
        super().notify()
        if not self.alive and self._stopped is None:
            self._stopped = monotonic()
            for listener in self.sockets:  # else new clients would wait for this worker's end
                listener.close()
        over = self._stopped is not None and monotonic() > self._stopped + STOP_SECONDS
        latest = math.inf if over else monotonic() - REQUEST_SECONDS
        for connection, begun in list(self._begun.items()):
            if begun < latest:
                with suppress(OSError):  # what has come is read, then the end of the stream
                    connection.sock.shutdown(socket.SHUT_RD)

    def handle_quit(self, sig: int, frame: Any) -> None:  # noqa: ANN401  gunicorn's own types
        """Stop on SIGINT as on SIGTERM: what was begun is finished.

        gunicorn's own handler waits for a lock that the code it interrupts may hold.
        """
        self.handle_exit(sig, frame)

    def enqueue_req(self, conn: Any) -> None:  # noqa: ANN401  gunicorn's own types
        """Queue a connection on which a request begins."""
        self._begun[conn] = monotonic()
        self._waiting.add(conn)
        super().enqueue_req(conn)

    def handle(self, conn: Any) -> Any:  # noqa: ANN401  gunicorn's own types
        """Serve a request of a connection, in a thread, and those that follow it closely."""
        self._waiting.discard(conn)
        kept = self.serve(conn)
        while kept is True and self._goes_on(conn):
            self._begun[conn] = monotonic()
            kept = self.serve(conn)
        return kept

    def _goes_on(self, conn: Any) -> bool:  # noqa: ANN401  gunicorn's own types
        """Wait a moment for the next request, unless another connection waits for a thread."""
        # What was read of it already makes no socket readable: gunicorn queues it at once.
        if self._waiting or not self.alive or conn.parser.unreader.buf.getvalue():
            return False
        soon = select.poll()
        soon.register(conn.sock, select.POLLIN)
        return bool(soon.poll(STAY_MS))

    def serve(self, conn: Any) -> Any:  # noqa: ANN401  gunicorn's own types
        """Serve one request of a connection."""
        try:
            kept = super().handle(conn)
        finally:
            del self._begun[conn]
        if not kept:
            _linger(conn.sock, self.linger)
        return kept

    def extend(self, conn: Any, seconds: float) -> None:  # noqa: ANN401  gunicorn's own types
        """Give the client of a request more time to send it."""
        self._begun[conn] += seconds

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:  # noqa: ANN401
        """Answer with a bare status, and log no more than the class of the error."""
        del req, addr
        status = "503 Service Unavailable"
        if isinstance(exc, errors.ParseException):
            status = REFUSED.get(type(exc), "400 Bad Request")
        structlog.get_logger().warning("http.error", status=status[:3], error=type(exc).__name__)
        with suppress(OSError):
            write_nonblock(client, _closing(status, *self.refusal(status)))

    def refusal(self, status: str) -> tuple[bytes, str]:  # noqa: ARG002  for those that say more
        """Return body and content type of the answer to what is no request: none."""
        return b"", ""


def _closing(status: str, body: bytes, kind: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Connection: close", f"Content-Length: {len(body)}"]
    if kind:
        lines.append(f"Content-Type: {kind}")
    if status.startswith("503"):
        lines.append("Retry-After: 1")
    return "\r\n".join([*lines, "", ""]).encode() + body


def _linger(sock: socket.socket, may: Linger) -> None:
    """Say that no more comes, and wait a moment for the client to close.

    gunicorn does so itself, for up to 2 s, in the one thread that accepts connections.
    """
    passed, begun = 0, monotonic()
    with suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        while passed < may.bytes and (left := may.seconds_left(passed, monotonic() - begun)) > 0:
            sock.settimeout(left)
            data = sock.recv(65536)
            if not data:
                break
            passed += len(data)
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RD)
