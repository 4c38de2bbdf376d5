"""The outbox: a stream with one entry per ending, read by a consumer group."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import redis

from tasks.lua import store_errors
from tasks.store import Store

GROUP = "settle"
MOST = 100
ABANDONED = 15.0
"""Idle seconds after which another consumer takes an entry over; longer than an effect takes."""
DELIVERIES = 5
"""Times an entry is handed out before it is set aside, so that one poison entry blocks nothing."""


@dataclass(frozen=True)
class Ending:
    """One entry: a job that ended, or whose ending was amended."""

    entry: str
    job: str


class Outbox:
    """Endings that are not settled yet, as one consumer sees them."""

    def __init__(self, store: Store, consumer: str, abandoned: float = ABANDONED) -> None:
        self._store = store
        self._consumer = consumer
        self._abandoned_ms = round(abandoned * 1000)
        self._stream = store.keys("ends")

    def create(self) -> None:
        """Create the group; harmless where it exists."""
        with store_errors(), suppress(redis.ResponseError):  # BUSYGROUP: it exists
            self._store.client.xgroup_create(self._stream, GROUP, id="0", mkstream=True)

    def take(self) -> tuple[list[Ending], list[Ending]]:
        """Return entries that were handed out and left lying, and new ones.

        Raises:
            StoreAway: none was taken, or what was is handed out again later.
        """
        client, most = self._store.client, MOST
        with store_errors():
            try:
                left = client.xautoclaim(
                    self._stream, GROUP, self._consumer, self._abandoned_ms, count=most
                )[1]
                fresh = client.xreadgroup(GROUP, self._consumer, {self._stream: ">"}, count=most)
            except redis.ResponseError as exc:
                if not str(exc).startswith("NOGROUP"):
                    raise
                self.create()  # the store lost its history
                return [], []
        return _endings(self._without_poison(left)), _endings(fresh[0][1] if fresh else [])

    def settled(self, endings: Sequence[Ending]) -> None:
        """Remove entries whose effects are done."""
        self._store.scripts.run("settled", GROUP, *(ending.entry for ending in endings))

    def _without_poison(
        self, entries: Sequence[tuple[bytes, dict[bytes, bytes]]]
    ) -> list[tuple[bytes, dict[bytes, bytes]]]:
        if not entries:
            return []
        with store_errors():
            pending = self._store.client.xpending_range(
                self._stream, GROUP, entries[0][0], entries[-1][0], len(entries), self._consumer
            )
        worn = {p["message_id"] for p in pending if p["times_delivered"] > DELIVERIES}
        for entry, fields in entries:
            if entry in worn:
                with store_errors():
                    self._store.client.rpush(self._store.keys("unsettled"), fields[b"job"])
                self.settled([Ending(entry.decode(), fields[b"job"].decode())])
        return [(entry, fields) for entry, fields in entries if entry not in worn]


def _endings(entries: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> list[Ending]:
    return [Ending(entry.decode(), fields[b"job"].decode()) for entry, fields in entries]
