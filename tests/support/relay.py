"""An address that comes to lead elsewhere, while connections that were made stay where they are."""

import socket
import threading
import time
from contextlib import suppress
from typing import Self


class Relay:
    """An address that leads to one server or another, as the name of a store does.

    Args:
        port: Of the server.
        seconds: That each answer takes, as from one on another continent.
    """

    def __init__(self, port: int, seconds: float = 0.0) -> None:
        self.leads_to = port
        self._seconds = seconds
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self.leads_to))
                threading.Thread(target=_carry, args=(near, far), daemon=True).start()
                back = (far, near, self._seconds)
                threading.Thread(target=_carry, args=back, daemon=True).start()


def _carry(one: socket.socket, other: socket.socket, seconds: float = 0.0) -> None:
    with suppress(OSError), one:
        while piece := one.recv(65_536):
            time.sleep(seconds)
            other.sendall(piece)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)
