"""A server of a few lines, for answers that no decent server gives."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Script = Callable[[socket.socket], None]


class Wire:
    """A server of one script: what it does with each connection after the request has come."""

    def __init__(self, script: Script, secured: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.reads_after = 0.0  # seconds
        self._script, self._secured = script, secured
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/v1"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with suppress(OSError):
            connection.settimeout(5)
            if self._secured:
                connection = self._secured.wrap_socket(connection, server_side=True)
            self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            time.sleep(self.reads_after)
            self.requests.append(_request(connection))
            self._script(connection)

    def close(self) -> None:
        self._listening.close()


def _request(connection: socket.socket) -> bytes:
    got = bytearray()
    while b"\r\n\r\n" not in got:
        got += connection.recv(65_536)
    end = got.index(b"\r\n\r\n") + 4
    length = int(got[:end].lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(got) < end + length:
        got += connection.recv(65_536)
    return bytes(got)


def answer_with(*pieces: bytes, every: float = 0.0) -> Script:
    def script(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(every)

    return script


def whole(body: bytes, *headers: bytes) -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    # Else a client may send its next request over a connection that is just being closed.
    return HEAD + lines + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
