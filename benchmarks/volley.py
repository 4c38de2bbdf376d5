"""Requests fired at a server over kept connections, by one process that does little else."""

import selectors
import socket
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

CONNECTIONS = 16

RENEWED = 20
"""Requests after which one connection is made anew. A connection stays with the process that took
it, and of a burst one process may take all; in time the one that has less to do takes more."""


@dataclass
class Shots:
    """What came of a volley."""

    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)  # seconds, from when a request was due
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.waits) / self.seconds

    def percentile(self, share: float) -> float:
        """Return the wait in seconds that this share of all did not pass."""
        return sorted(self.waits)[int(share * (len(self.waits) - 1))]


def fire(port: int, requests: Sequence[bytes], rate: float | None = None) -> Shots:
    """Send requests, each when it is due at `rate` a second, or as soon as a connection is free.

    Raises:
        ConnectionError: the server closed a connection.
    """
    shots, begun, sent = Shots(), time.monotonic(), 0
    going: dict[socket.socket, float] = {}
    with selectors.DefaultSelector() as selector:
        idle = deque(_connect(port, selector) for _ in range(CONNECTIONS))
        while len(shots.waits) < len(requests):
            now = time.monotonic()
            while idle and sent < len(requests) and (due := _due(begun, sent, rate, now)) <= now:
                one = idle.popleft()
                if sent % RENEWED == 0:
                    one = _renewed(one, port, selector)
                one.sendall(requests[sent])
                going[one] = due
                sent += 1
            for key, _ in selector.select(0.001 if rate else None):
                one = key.fileobj  # type: ignore[assignment]  # as it was registered
                shots.statuses[_status(one)] += 1
                shots.waits.append(time.monotonic() - going.pop(one))
                idle.append(one)
        shots.seconds = time.monotonic() - begun
        for one in idle:
            one.close()
    return shots


def _due(begun: float, number: int, rate: float | None, now: float) -> float:
    return now if rate is None else begun + number / rate


def _connect(port: int, selector: selectors.BaseSelector) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=30)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    selector.register(made, selectors.EVENT_READ)
    return made


def _renewed(one: socket.socket, port: int, selector: selectors.BaseSelector) -> socket.socket:
    selector.unregister(one)
    one.close()
    return _connect(port, selector)


def _status(one: socket.socket) -> int:
    """Read an answer, which is small; returns its status."""
    answer = one.recv(65_536)
    if not answer:
        raise ConnectionError("the server closed a connection")
    return int(answer[9:12])
