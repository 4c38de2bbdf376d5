"""Leases in the store: who ticks, and which doors are running."""

from dataclasses import dataclass

from tasks.lua import store_errors
from tasks.store import Store

SEAT_MS = 45_000
"""A door that died gives up its seat after this: a stint and one HTTP exchange are shorter."""
LEADER_MS = 3_000
"""A leader that died is replaced after this."""


@dataclass(frozen=True)
class Seat:
    """One running door. The ticker takes it, the door keeps and leaves it."""

    store: Store
    name: str
    holder: str

    def take(self) -> bool:
        """Take the seat where it is free."""
        with store_errors():
            return bool(self.store.client.set(self._key, self.holder, nx=True, px=SEAT_MS))

    def keep(self) -> bool:
        """Renew the seat; false where it is another's by now."""
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
