"""Leases in the store: who ticks, and which doors are running."""

from dataclasses import dataclass
from time import monotonic

from tasks.connection import store_errors
from tasks.store import Store

SEAT_MS = 45_000
"""A door that died gives up its seat after this: a stint and one HTTP exchange are shorter."""
LEADER_MS = 3_000
"""A leader that died is replaced after this."""
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
