"""The store as the door sees it: every request is answered in time, whatever the store does.

A store that hangs would hold each thread for a timeout, and the requests queued behind it for many.
So a request has one budget for all it asks of the store, and while the store is away one request at
a time tries it; the others are told at once. A socket's own timeout starts anew with every byte: a
watchman ends the reading of answers whose request has used its budget up. A connection that took
most of it to open stays open for the next request: so a store that is far away is reached, too.
(Handing each call to a thread that can be left behind would take longer than all else does.)
"""

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread, local
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from tasks.errors import StoreAway
from tasks.store import Store

if TYPE_CHECKING:
    from redis.connection import AbstractConnection

T = TypeVar("T")

BUDGET = 0.8
"""Seconds of one request's waiting for the store. One may queue for as long before: below 2 s."""

FAR = 0.05
"""Seconds of an answer above which the way to the store is long, rather than the store away."""

ROUND = 0.05
"""Seconds between two rounds of the watchman."""


class Gate:
    """What all requests of a process know about the store.

    Args:
        store: Whose connections are watched: those that it opens from now on.
    """

    def __init__(self, store: Store) -> None:
        self._trying = Lock()
        self._away = False
        self._watchman = _Watchman()
        pool = store.client.connection_pool
        pool.connection_class = _watched(pool.connection_class, self._watchman)

    def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns.

        Raises:
            StoreAway: it did not return in time (and may yet be applied), or another request is
                trying whether the store is back.
        """
        if not self._away:
            return self._in_time(work)
        if not self._trying.acquire(blocking=False):
            raise StoreAway("the store does not answer: it is being tried")
        try:
            return self._in_time(work)
        finally:
            self._trying.release()

    def _in_time(self, work: Callable[[], T]) -> T:
        own, deadline = self._watchman.own, monotonic() + BUDGET
        own.deadline, own.slowest = deadline, 0.0
        try:
            done = work()
        except StoreAway as exc:
            self._away = True
            if own.slowest > FAR and monotonic() > deadline:  # it did answer
                raise _too_slow(own.slowest) from exc
            raise
        finally:
            own.deadline = None
        self._away = False
        return done


def _too_slow(seconds: float) -> StoreAway:
    return StoreAway(f"the store answers too slowly: {seconds * 1000:.0f} ms a round trip")


class _Watchman:
    """Ends the reading of answers that goes on beyond the deadline of the thread that reads."""

    def __init__(self) -> None:
        self.own = local()  # deadline: until when this thread may read; slowest answer so far
        self.reading: dict[AbstractConnection, float] = {}  # by when it must be over
        Thread(target=self._watch, name="watchman", daemon=True).start()

    def _watch(self) -> None:
        while True:
            time.sleep(ROUND)
            for connection, deadline in list(self.reading.items()):
                sock: Any = connection._sock  # noqa: SLF001  redis-py gives it no public name
                if sock is not None and monotonic() > deadline:
                    with suppress(OSError):  # it is being closed
                        sock.shutdown(socket.SHUT_RDWR)


def _watched(kind: Any, watchman: _Watchman) -> Any:  # noqa: ANN401  any class of connections
    class Watched(kind):  # type: ignore[misc]  # chosen by the URL: plain, TLS, Unix socket
        """A connection under watch, where its thread has a deadline."""

        def connect_check_health(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  as below
            begun, is_open = monotonic(), self.is_connected
            super().connect_check_health(*args, **options)
            own, now = watchman.own, monotonic()
            deadline = getattr(own, "deadline", None)
            if deadline is not None and not is_open and now - begun > deadline - now:
                # What is asked now would be cut off, and the next request had to open it again.
                raise _too_slow(own.slowest or now - begun)

        def read_response(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401  redis-py's own
            deadline = getattr(watchman.own, "deadline", None)
            if deadline is None:
                return super().read_response(*args, **options)
            watchman.reading[self] = deadline
            begun = monotonic()
            try:
                answer = super().read_response(*args, **options)
            finally:
                watchman.reading.pop(self, None)
            watchman.own.slowest = max(watchman.own.slowest, monotonic() - begun)
            return answer

    return Watched
