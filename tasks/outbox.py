"""Streams of what has happened to jobs, each read by one consumer group, at least once."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import redis

from tasks.errors import StoreAway
from tasks.job import State
from tasks.lua import store_errors
from tasks.store import Store

MOST = 100
ABANDONED = 15.0
"""Idle seconds after which another consumer takes an entry over; longer than an effect takes."""
DELIVERIES = 5
"""Times an entry is handed out before it is set aside, so that one poison entry blocks nothing."""


@dataclass(frozen=True)
class Road:
    """One of the streams."""

    stream: str  # key (keys.py)
    group: str
    most: int  # entries handed out at a time
    aside: str  # key of the list where jobs go whose entry nobody can deal with; empty: none


ENDS = Road("ends", "settle", MOST, "unsettled")
"""The outbox: one entry per ending, and per ending that was amended."""

SHOWN = Road("shown", "flower", 10 * MOST, "")
"""What Flower is told of: a window, not the record, so that it may lose the oldest."""


@dataclass(frozen=True)
class Entry:
    """One entry: a job, and the state that it came to; of an ending also what it is settled for."""

    id: str
    job: str
    to: State
    batch: str = ""
    is_called: bool = False  # a Celery message brought the job, so somebody is to be told


class Outbox:
    """What is not dealt with yet, as one consumer sees it."""

    def __init__(
        self, store: Store, consumer: str, abandoned: float = ABANDONED, road: Road = ENDS
    ) -> None:
        self._store = store
        self._consumer = consumer
        self._abandoned_ms = round(abandoned * 1000)
        self.road = road
        self._stream = store.keys(road.stream)

    def create(self) -> None:
        """Create the group; harmless where it exists."""
        with store_errors(), suppress(redis.ResponseError):  # BUSYGROUP: it exists
            self._store.client.xgroup_create(self._stream, self.road.group, id="0", mkstream=True)

    def take(self) -> tuple[list[Entry], list[Entry]]:
        """Return entries that were handed out and left lying, and new ones.

        Raises:
            StoreAway: none was taken, or what was is handed out again later.
        """
        client, group, most = self._store.client, self.road.group, self.road.most
        with store_errors():
            try:
                left = client.xautoclaim(
                    self._stream, group, self._consumer, self._abandoned_ms, count=most
                )[1]
                fresh = client.xreadgroup(group, self._consumer, {self._stream: ">"}, count=most)
            except redis.ResponseError as exc:
                if not str(exc).startswith("NOGROUP"):
                    raise
                self.create()  # the store lost its history
                return [], []
        return self._without_poison(_entries(left)), _entries(fresh[0][1] if fresh else [])

    def done(self, entries: Sequence[Entry]) -> None:
        """Remove entries whose effects are done."""
        if entries:
            ids = (entry.id for entry in entries)
            self._store.scripts.run("settled", self._stream, self.road.group, *ids)

    def _without_poison(self, entries: list[Entry]) -> list[Entry]:
        if not entries:
            return []
        ends = entries[0].id, entries[-1].id
        with store_errors():
            pending = self._store.client.xpending_range(
                self._stream, self.road.group, *ends, len(entries), self._consumer
            )
        worn = {p["message_id"].decode() for p in pending if p["times_delivered"] > DELIVERIES}
        for entry in entries:
            if entry.id in worn:
                if self.road.aside:
                    with store_errors():
                        self._store.client.rpush(self._store.keys(self.road.aside), entry.job)
                self.done([entry])
        return [entry for entry in entries if entry.id not in worn]


def drain(outbox: Outbox, effect: Callable[[Sequence[Entry]], None]) -> int:
    """Apply `effect` to what is waiting; returns how many entries that were.

    An entry leaves only after the effect returned, so an effect may happen twice. What failed
    among others is tried alone when it is handed out again, so that it takes none with it.

    Raises:
        StoreAway: what was taken is handed out again later.
        Exception: what the effect of the last portion that failed raised; the same happens.
    """
    left, fresh = outbox.take()
    failed: Exception | None = None
    for portion in [*([entry] for entry in left), fresh]:
        if not portion:
            continue
        try:
            effect(portion)
            outbox.done(portion)
        except StoreAway:
            raise
        except Exception as exc:  # noqa: BLE001  an effect may raise anything; raised below
            failed = exc
    if failed:
        raise failed
    return len(left) + len(fresh)


def _entries(given: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> list[Entry]:
    return [
        Entry(
            id_.decode(),
            fields[b"job"].decode(),
            State(fields[b"to"].decode()),
            fields.get(b"batch", b"").decode(),
            bool(fields.get(b"called")),
        )
        for id_, fields in given
    ]
