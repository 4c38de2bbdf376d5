"""A TCP proxy between two processes that delays, cuts, swallows answers and goes deaf."""

import socket
import struct
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

CHUNK = 65_536
LINGER_NONE = struct.pack("ii", 1, 0)
"""Closing such a socket resets the connection."""


class Proxy:
    """Passes bytes on; what goes wrong is changed while it runs.

    Attributes:
        port: Where it listens.
        target: The port that it passes on to; new connections go to a new one.
        deaf: Nothing is passed on in either direction, and nothing is closed.
        mute: Requests go through, and no answer comes back.
        refusing: New connections are reset at once.
        delay: Seconds that each piece of an answer is held.
        drip: Answers go byte by byte.
        endless: A request that holds these bytes gets an answer that never ends.
        events: How often something was done to somebody.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.deaf = self.mute = self.refusing = self.drip = False
        self.delay = 0.0
        self.endless = b""
        self.events = 0
        self._lose: tuple[bytes, int, int] = (b"", 0, 0)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listening.close()
        self.cut()

    def lose(self, request: bytes, times: int = 1, *, keep: int = 0) -> None:
        """Carry out the next requests that hold these bytes, and reset instead of answering.

        The first `keep` bytes of the answer pass.
        """
        with self._lock:
            self._lose = (request, times, keep)

    @property
    def left_to_lose(self) -> int:
        """How many answers are still to be lost."""
        return self._lose[1]

    def cut(self) -> None:
        """Reset every connection."""
        with self._lock:
            found = tuple(self._open)
        for one in found:
            _reset(one)
        self.events += len(found) // 2

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        if self.refusing:
            self.events += 1
            _reset(client)
            return
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            _reset(client)
            return
        server.settimeout(None)
        line = _Line(self, client, server)
        with self._lock:
            self._open |= {client, server}
        back = threading.Thread(target=line.back, daemon=True)
        back.start()
        line.there()
        back.join()
        with self._lock:
            self._open -= {client, server}
        client.close()
        server.close()

    def loses(self, request: bytes) -> bool:
        """Whether the answer to these bytes is to be lost; each is told once."""
        with self._lock:
            what, times, keep = self._lose
            if not times or what not in request:
                return False
            self._lose = (what, times - 1, keep)
            self.events += 1
            return True

    @property
    def kept(self) -> int:
        return self._lose[2]


class _Line:
    """One connection."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._losing = False

    def there(self) -> None:
        """Pass requests on until they end."""
        with suppress(OSError):
            while data := self._client.recv(CHUNK):
                self._wait_while_deaf()
                self._losing = self._proxy.loses(data) or self._losing
                if self._proxy.endless and self._proxy.endless in data:
                    self._answer_without_end()
                self._server.sendall(data)
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_WR)

    def back(self) -> None:
        """Pass answers on until they end."""
        with suppress(OSError):
            while data := self._server.recv(CHUNK):
                self._wait_while_deaf()
                if self._losing:
                    self._client.sendall(data[: self._proxy.kept])
                    _reset(self._client)
                    _reset(self._server)
                    return
                if self._proxy.mute:
                    self._proxy.events += 1
                    continue
                self._answer(data)
        with suppress(OSError):
            self._client.shutdown(socket.SHUT_WR)

    def _answer(self, data: bytes) -> None:
        if self._proxy.delay:
            self._proxy.events += 1
            time.sleep(self._proxy.delay)
        if not self._proxy.drip:
            self._client.sendall(data)
            return
        self._proxy.events += 1
        for place in range(len(data)):
            self._client.sendall(data[place : place + 1])

    def _answer_without_end(self) -> None:
        """Promise a long text, and send a little of it so often that nobody gives up waiting."""
        self._proxy.events += 1
        self._client.sendall(b"$100000000\r\n")
        while self._proxy.endless:
            self._client.sendall(b"x")
            time.sleep(0.5)

    def _wait_while_deaf(self) -> None:
        if self._proxy.deaf:
            self._proxy.events += 1
        while self._proxy.deaf:
            time.sleep(0.02)


def _reset(one: socket.socket) -> None:
    with suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
        one.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        one.close()
