"""The store as the door sees it: every request is answered in time, whatever the store does.

A store that hangs would hold each thread for a timeout, and the requests queued behind it for many.
So a request has one budget for all it asks of the store, and while the store is away one request at
a time tries it; the others are told at once.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from copy import copy
from functools import partial
from threading import Lock
from time import monotonic
from typing import Any, TypeVar

from tasks.errors import StoreAway
from tasks.lua import Argument, Scripts
from tasks.store import Store

T = TypeVar("T")

BUDGET = 0.8
"""Seconds of one request's waiting for the store. One may queue for as long before: below 2 s."""


class Gate:
    """What all requests of a process know about the store."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, "store")
        self._trying = Lock()
        self._away = False

    def run(self, work: Callable[[], T], seconds: float = BUDGET) -> T:
        """Return what `work` returns.

        Raises:
            StoreAway: it did not return in time (and may yet be applied), or another request is
                trying whether the store is back.
        """
        if not self._away:
            return self._within(work, seconds)
        if not self._trying.acquire(blocking=False):
            raise StoreAway("the store does not answer: it is being tried")
        try:
            return self._within(work, seconds)
        finally:
            self._trying.release()

    def _within(self, work: Callable[[], T], seconds: float) -> T:
        future = self._pool.submit(work)
        if not wait([future], timeout=seconds).done:
            future.cancel()
            self._away = True
            raise StoreAway(f"the store does not answer: not within {seconds:.1f} s")
        self._away = isinstance(future.exception(), StoreAway)
        return future.result()


class Budgeted(Scripts):
    """The scripts for one request, with one budget for all their round trips."""

    def __init__(self, scripts: Scripts, gate: Gate) -> None:
        self._scripts = scripts
        self._gate = gate
        self._left = BUDGET

    def run_all(self, calls: Sequence[tuple[str, Sequence[Argument]]]) -> list[Any]:
        """Run scripts in one round trip, within what is left of the budget."""
        begun = monotonic()
        try:
            return self._gate.run(partial(self._scripts.run_all, calls), max(self._left, 0.0))
        finally:
            self._left -= monotonic() - begun


def budgeted(store: Store, gate: Gate) -> Store:
    """Return the store as one request may use it: through its scripts."""
    own = copy(store)
    own.scripts = Budgeted(store.scripts, gate)
    return own
