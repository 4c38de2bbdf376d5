"""How the whole store stands: totals, pauses, what is behind, what was set aside. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass

from tasks import reading
from tasks.claims import clock_ms, entered_at
from tasks.connection import store_errors
from tasks.job import State
from tasks.store import Store

MOST_ENTRIES = 10_000
"""Entries of the outbox that are looked through; each has endings of one script run."""


@dataclass(frozen=True)
class Totals:
    """Counters over all batches."""

    states: Mapping[State, int]
    cost: int  # nano-dollars
    parked: int


@dataclass(frozen=True)
class Standstill:
    """Something from which nothing is claimed."""

    what: str  # name of a batch; `all`
    reason: str
    seconds: float | None  # until it is tried again by itself; None: until the user says so


@dataclass(frozen=True)
class Health:
    """What `doctor` looks at beside settings and server."""

    window: int
    slots: int  # taken
    pauses: list[Standstill]
    endings: int  # not settled
    backlog: float  # seconds since the oldest of them
    set_aside: list[str]  # jobs whose ending could not be settled
    parked: int
    quarantined: list[str]


def totals(store: Store) -> Totals:
    """Return the counters over all batches."""
    with store_errors():
        fields = store.client.hgetall(store.keys("counts"))
    counts = {name.decode(): int(n) for name, n in fields.items()}
    states = {state: counts.get(f"n:{state}", 0) for state in State}
    return Totals(states, counts.get("cost", 0), counts.get("parked", 0))


def quarantined(store: Store) -> list[str]:
    """Return the ids that have bodies which could not be understood, the newest first."""
    with store_errors():
        return [id_.decode() for id_ in store.client.zrevrange(store.keys("quarantined"), 0, -1)]


def health(store: Store) -> Health:
    """Return how the store stands; reads every batch, so it is for `doctor` alone.

    Raises:
        StoreAway: it cannot be read.
    """
    keys, client = store.keys, store.client
    with store_errors():
        now = clock_ms(client.time())
        oldest = client.xrange(keys("ends"), count=1)
        aside = list(dict.fromkeys(job.decode() for job in client.lrange(keys("unsettled"), 0, -1)))
        endings = sum(len(jobs) for _, jobs in client.xrange(keys("ends"), count=MOST_ENTRIES))
    window, slots = store.window()
    since = entered_at(oldest[0][0]) if oldest else now
    return Health(
        window=window,
        slots=slots,
        pauses=_pauses(store, now),
        endings=endings,
        backlog=max(0, now - since) / 1000,
        set_aside=aside,
        parked=totals(store).parked,
        quarantined=quarantined(store),
    )


def _pauses(store: Store, now: int) -> list[Standstill]:
    with store_errors():
        until = dict(store.client.zrange(store.keys("paused"), 0, -1, withscores=True))
        held, paused = store.client.hmget(store.keys("meta"), "held", "paused")
    found = [Standstill("all", held.decode(), None)] if held else []
    if b"*" in until:
        found.append(Standstill("all", (paused or b"").decode(), (until[b"*"] - now) / 1000))
    for batch in reading.batches(store):
        at = until.get(batch.id.encode())
        if batch.held or at is not None:
            seconds = None if batch.held or at is None else (at - now) / 1000
            found.append(Standstill(batch.name, batch.paused, seconds))
    return found
