"""Connections whose whole exchange can be cut: the total time limit of the provider client."""

import math
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from tasks.clock import passing


class Line:
    """One exchange on a connection, which is cut when its time is over.

    Timeouts of a socket start anew with every byte, so a slow answer would never meet one.
    """

    def __init__(
        self, seconds: float, stall: float | None = None, send_by: float = math.inf
    ) -> None:
        """Set the limits of one exchange.

        Args:
            seconds: Until it is cut.
            stall: Most seconds in which the other side takes nothing of one piece that is sent;
                None: all the time, for a body that is sent in one.
            send_by: Seconds of clock.py after which no piece is sent. Told anew before each
                piece, because a process that was stopped wakes with its timers late.
        """
        self.until = monotonic() + seconds
        """Monotonic seconds of its end."""
        self._stall = stall or seconds
        self._send_by = send_by
        self._socket: socket.socket | None = None
        self._is_over = False

    def carry(self, connected: socket.socket) -> None:
        """Take the socket that is about to be sent on; a large body may need all the time."""
        connected.settimeout(self._stall)
        self._socket = connected
        self.check()

    @property
    def is_over(self) -> bool:
        """Whether the exchange has been cut."""
        return self._is_over

    def check(self) -> None:
        """Raise TimeoutError where the time is over."""
        if self._is_over:
            raise TimeoutError

    def check_sending(self) -> None:
        """Raise TimeoutError where it is too late to send anything."""
        self.check()
        if passing() > self._send_by:
            raise TimeoutError

    def cut(self) -> None:
        """End it now, from any thread."""
        self._is_over = True
        if self._socket:
            with suppress(OSError):
                # Not the method of a TLS socket: it would unwrap it under the reader's hands.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class Lines:
    """The exchanges of one client, each cut when its time is over by one thread for all.

    A timer for each exchange would be a thread for each, which costs as much as its headers.
    """

    def __init__(self) -> None:
        self._open: set[Line] = set()
        self._changed = threading.Condition()
        self._looks_at = math.inf  # monotonic seconds at which the thread wakes by itself
        self._thread: threading.Thread | None = None

    @contextmanager
    def watched(self, line: Line) -> Iterator[None]:
        """Let this thread's connections carry a line, and watch its time."""
        _current.line = line
        with self._changed:
            self._open.add(line)
            self._thread = self._thread or self._started()
            if line.until < self._looks_at:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:  # once it is out, nothing cuts what its connection carries next
                self._open.discard(line)

    def cut(self) -> None:
        """Cut all that are open."""
        with self._changed:
            for line in self._open:
                line.cut()

    def _started(self) -> threading.Thread:
        thread = threading.Thread(target=self._watch, name="lines", daemon=True)
        thread.start()
        return thread

    def _watch(self) -> None:
        with self._changed:
            while True:
                now, idle = monotonic(), not self._open
                self._looks_at = math.inf if idle else min(line.until for line in self._open)
                self._changed.wait(None if idle else max(0.0, self._looks_at - now))
                for line in self._open:
                    if monotonic() >= line.until:
                        line.cut()
                self._open = {line for line in self._open if not line.is_over}


_current = threading.local()
"""`line`: the exchange of this thread."""


class _Carried:
    """A connection that tells its socket to the exchange that sends on it."""

    sock: socket.socket | None

    def connect(self) -> None:
        """Connect, unless the time went by while the name was looked up."""
        super().connect()  # type: ignore[misc]  # a mixin
        self._carry()

    def putrequest(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  http.client's own
        """Begin a request, here or on a new connection."""
        if self.sock:
            self._carry()
        super().putrequest(*args, **kwargs)  # type: ignore[misc]  # a mixin

    def send(self, data: Any) -> None:  # noqa: ANN401  http.client's own
        """Send a piece of a request."""
        _current.line.check_sending()
        super().send(data)  # type: ignore[misc]  # a mixin

    def _carry(self) -> None:
        if self.sock:
            _current.line.carry(self.sock)


class _Http(_Carried, HTTPConnection): ...


class _Https(_Carried, HTTPSConnection): ...


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_POOLS = {"http": _HttpPool, "https": _HttpsPool}


class Adapter(HTTPAdapter):
    """Makes connections that can be cut, with and without a proxy."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  as its parent
        """Build the pool of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  as its parent
        """Send a request; a proxy of the user's has no part in loopback."""
        if urlsplit(request.url).hostname in _LOOPBACK:
            kwargs["proxies"] = {}
        return super().send(request, *args, **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:  # noqa: ANN401  as its parent
        """Return the pool of connections through `proxy`."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager
