"""Leases in the store: who ticks, and which doors are running."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from tasks.connection import store_errors
from tasks.store import Store

SEAT_MS = 45_000
"""A door that died gives up its seat after this: a stint and one HTTP exchange are shorter."""
LEADER_MS = 3_000
"""A leader that died is replaced after this."""
WATCH_MS = 1_000
"""A door that died while it waited for free slots is no longer waited for after this."""
KEPT = 1.0
"""Seconds between two renewals of a seat by the door that has it."""


@dataclass
class Seat:
    """One running door. The ticker takes it, the door renews and leaves it."""

    store: Store
    name: str
    holder: str
    _kept_at: float = -KEPT  # monotonic seconds

    def take(self) -> bool:
        """Take the seat where it is free."""
        with store_errors():
            return bool(self.store.client.set(self._key, self.holder, nx=True, px=SEAT_MS))

    def renew(self) -> bool:
        """Keep the seat, renewed where that is due; false where it is another's by now."""
        now = monotonic()
        if now < self._kept_at + KEPT:
            return True
        self._kept_at = now
        return bool(self.store.scripts.run("renew", self._key, self.holder, SEAT_MS))

    def leave(self) -> None:
        """Free the seat and wake the ticker, which may have work for it."""
        if self.store.scripts.run("release", self._key, self.holder):
            self.store.nudge()

    @property
    def _key(self) -> str:
        return self.store.keys("seat", self.name)


@contextmanager
def watching(store: Store) -> Iterator[bool]:
    """Be the one door that waits for slots to come free; false where another is."""
    key = store.keys("watch")
    with store_errors():
        is_ours = bool(store.client.set(key, "1", nx=True, px=WATCH_MS))
    try:
        yield is_ours
    finally:
        if is_ours:
            with store_errors():
                store.client.delete(key)


def is_watched(store: Store) -> bool:
    """Whether a door is waiting for slots to come free."""
    with store_errors():
        return bool(store.client.exists(store.keys("watch")))


def lead(store: Store, holder: str) -> bool:
    """Become or stay the one ticker; false while another is."""
    key = store.keys("leader")
    with store_errors():
        if store.client.set(key, holder, nx=True, px=LEADER_MS):
            return True
    return bool(store.scripts.run("renew", key, holder, LEADER_MS))


def resign(store: Store, holder: str) -> None:
    """Let another ticker take over at once."""
    store.scripts.run("release", store.keys("leader"), holder)
