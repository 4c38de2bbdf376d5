"""Streams of what has happened to jobs, each read by one consumer group, at least once."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from time import monotonic

import redis

from tasks.connection import store_errors
from tasks.errors import StoreAway
from tasks.job import State
from tasks.lua import TOGETHER
from tasks.store import Store

MOST = 100
"""Endings of one portion: more only where they happened in one run."""
ABANDONED = 15.0
"""Idle seconds after which another consumer takes an entry over; longer than an effect takes."""
DELIVERIES = 5
"""Times an entry is handed out until a failure sets it aside, so that one poison entry blocks
nothing. A store that is away is no failure of the entry."""
DEATHS = 2 * DELIVERIES
"""Times beyond which it is set aside untried: what its effect does, ends the process."""


@dataclass(frozen=True)
class Stream:
    """One of the streams."""

    name: str  # of its key (keys.py)
    group: str
    most: int  # jobs in a portion, beyond which no more entries are read
    at_once: int  # entries read in one round trip, each of up to `TOGETHER` jobs
    aside: str  # key of the list where jobs go whose entry nobody can deal with; empty: none


ENDS = Stream("ends", "settle", MOST, MOST, "unsettled")
"""The outbox: every ending, and every ending that was amended."""

SHOWN = Stream("shown", "flower", 10 * MOST, 10 * MOST // TOGETHER, "")
"""What Flower is told of: a window, not the record, so that it may lose the oldest."""


@dataclass(frozen=True)
class Entry:
    """A job, and the state that it came to; of an ending also what it is settled for."""

    id: str  # of the store's entry, which may hold other jobs too
    job: str
    to: State
    batch: str = ""
    is_called: bool = False  # a Celery message brought the job, so somebody is to be told
    is_worn: bool = False  # was handed out so often that it is set aside if it fails now


class Outbox:
    """What is not dealt with yet, as one consumer sees it."""

    def __init__(
        self, store: Store, consumer: str, abandoned: float = ABANDONED, stream: Stream = ENDS
    ) -> None:
        self._store = store
        self._consumer = consumer
        self._abandoned_ms = round(abandoned * 1000)
        self._stream = stream
        self._key = store.keys(stream.name)

    def create(self) -> None:
        """Create the group; harmless where it exists."""
        with store_errors(), suppress(redis.ResponseError):  # BUSYGROUP: it exists
            self._store.client.xgroup_create(self._key, self._stream.group, id="0", mkstream=True)

    def take(self) -> tuple[list[Entry], list[Entry]]:
        """Return entries that were handed out and left lying, and new ones.

        Raises:
            StoreAway: none was taken, or what was is handed out again later.
        """
        client, group, most = self._store.client, self._stream.group, self._stream.at_once
        with store_errors():
            try:
                left = client.xautoclaim(
                    self._key, group, self._consumer, self._abandoned_ms, count=most
                )[1]
                fresh = self._fresh()
            except redis.ResponseError as exc:
                if not str(exc).startswith("NOGROUP"):
                    raise
                self.create()  # the store lost its history
                return [], []
        return self._without_poison(_entries(left)), fresh

    def _fresh(self) -> list[Entry]:
        stream, client, entries = self._stream, self._store.client, list[Entry]()
        while len(entries) < stream.most:
            given = client.xreadgroup(
                stream.group, self._consumer, {self._key: ">"}, count=stream.at_once
            )
            if not given:
                break
            entries += _entries(given[0][1])
        return entries

    def done(self, entries: Sequence[Entry]) -> None:
        """Remove entries whose effects are done."""
        if entries:
            ids = dict.fromkeys(entry.id for entry in entries)
            self._store.scripts.run("settled", self._key, self._stream.group, *ids)

    def failed(self, entries: Sequence[Entry], exc: Exception) -> None:
        """Set aside what has failed too often; where the store was away that does not count."""
        worn = [entry for entry in entries if entry.is_worn]
        if worn and isinstance(exc, StoreAway):
            ids = list(dict.fromkeys(entry.id for entry in worn))
            given = {"min_idle_time": 0, "retrycount": DELIVERIES - 1, "justid": True}
            with store_errors():
                self._store.client.xclaim(
                    self._key, self._stream.group, self._consumer, message_ids=ids, **given
                )
        else:
            self._set_aside(worn)

    def _without_poison(self, entries: list[Entry]) -> list[Entry]:
        if not entries:
            return []
        ends = entries[0].id, entries[-1].id
        with store_errors():
            pending = self._store.client.xpending_range(
                self._key, self._stream.group, *ends, len(entries), self._consumer
            )
        times = {p["message_id"].decode(): p["times_delivered"] for p in pending}
        self._set_aside([entry for entry in entries if times.get(entry.id, 1) > DEATHS])
        return [
            replace(entry, is_worn=times.get(entry.id, 1) >= DELIVERIES)
            for entry in entries
            if times.get(entry.id, 1) <= DEATHS
        ]

    def _set_aside(self, entries: Sequence[Entry]) -> None:
        if entries and self._stream.aside:
            jobs = [entry.job for entry in entries]
            with store_errors():
                self._store.client.rpush(self._store.keys(self._stream.aside), *jobs)
        self.done(entries)


def drain(outbox: Outbox, effect: Callable[[Sequence[Entry]], None]) -> int:
    """Apply `effect` to what is waiting; returns how many jobs that were.

    An entry leaves only after the effect returned, so an effect may happen twice. What failed
    among others is tried alone when it is handed out again, so that it takes none with it.

    Raises:
        Exception: what the effect of the last portion that failed raised, StoreAway where the store
            is; what was taken is handed out again later, or was set aside.
    """
    left, fresh = outbox.take()
    failed, until = list[Exception](), monotonic() + ABANDONED
    alone = [list(portion) for _, portion in groupby(left, lambda entry: entry.id)]
    for portion in filter(None, [*alone, fresh]):
        failed += _applied(outbox, effect, portion)
        # It may be away for one entry only; but who waits for it too long loses the others.
        if failed and isinstance(failed[-1], StoreAway) and monotonic() > until:
            break
    if failed:
        raise failed[-1]
    return len(left) + len(fresh)


def _applied(
    outbox: Outbox, effect: Callable[[Sequence[Entry]], None], portion: Sequence[Entry]
) -> list[Exception]:
    """Apply `effect` to a portion; returns what went wrong, if anything."""
    try:
        effect(portion)
        outbox.done(portion)
    except Exception as exc:  # noqa: BLE001  an effect may raise anything; raised by `drain`
        with suppress(StoreAway):
            outbox.failed(portion, exc)
        return [exc]
    return []


def _entries(given: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> list[Entry]:
    """Read entries of the store, each of one job or of several that moved in one run."""
    return [
        _entry(id_.decode(), job.decode(), told.decode().split("|"))
        for id_, jobs in given
        for job, told in jobs.items()
    ]


def _entry(id_: str, job: str, told: Sequence[str]) -> Entry:
    """Read one job of an entry: state, and of an ending event, state before, batch, called."""
    _event, _from, batch, called = told[1:] or [""] * 4
    return Entry(id_, job, State(told[0]), batch, bool(called))
