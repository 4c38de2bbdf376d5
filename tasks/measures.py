"""What metrics tell, as the store has it at one moment. Reads only, and a bounded amount."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks import reading
from tasks.claims import clock_ms, entered_at
from tasks.connection import store_errors
from tasks.job import OPEN
from tasks.reading import Batch
from tasks.store import Store
from tasks.tally import SILENT_MS

LOOKED_AT = 1000
"""Batches looked at, the newest; one that is open behind so many newer ones is told in totals."""
MOST_BATCHES = 50
"""Open batches told one by one, the oldest of those first."""


@dataclass(frozen=True)
class Measures:
    """Totals, ages and counters. Times are seconds, money nano-dollars."""

    now: int  # ms of the store's clock
    counts: Mapping[str, int]  # jobs by `n:{state}`, cost, parked
    counted: Mapping[str, int]  # by processes: fields of tally.py
    window: int
    slots: int  # taken
    poll_lag: float
    unsettled: int
    unsettled_age: float
    aside: int  # endings that could not be settled
    pauses: Mapping[tuple[str, str], int]  # by whom, of what
    quarantined: int  # jobs
    leads: bool  # a worker ticks
    workers: int
    memory: int  # bytes
    memory_limit: int  # bytes; 0: none
    batches: Sequence[Batch]  # open, at most MOST_BATCHES
    open_batches: int
    waiting: int  # jobs that are open and wait for the user, of LOOKED_AT batches

    @property
    def movable(self) -> int:
        """Open jobs that are to move by themselves."""
        return max(0, sum(self.counts.get(f"n:{state}", 0) for state in OPEN) - self.waiting)


def read(store: Store) -> Measures:
    """Return what there is to tell, in three round trips.

    Raises:
        StoreAway: it cannot be read.
    """
    told = _told(store)
    now = clock_ms(told["time"])
    ids, queued = _open(store, [name.decode() for name in told["batches"]])
    batches = reading.some_batches(store, ids[:MOST_BATCHES])
    counts = _numbers(told["counts"])
    window, held = told["meta"]
    due, ends = told["due"], told["ends"]
    of_all = told["paused_all"] is not None
    return Measures(
        now=now,
        counts=counts,
        counted=_numbers(told["measured"]),
        window=int(window or 0),
        slots=told["slots"],
        poll_lag=_age(now, due[0][1]) if due else 0.0,
        unsettled=told["unsettled"],
        unsettled_age=_age(now, entered_at(ends[0][0])) if ends else 0.0,
        aside=told["aside"],
        pauses={
            ("user", "all"): int(held is not None),
            ("user", "batch"): sum(batch.held for batch in batches),
            ("provider", "all"): int(of_all),
            ("provider", "batch"): told["paused"] - of_all,
        },
        quarantined=told["quarantined"],
        leads=bool(told["leader"]),
        workers=sum(at > now - SILENT_MS for _, at in told["workers"]),
        memory=int(told["info"].get("used_memory", 0)),
        memory_limit=int(told["info"].get("maxmemory", 0)),
        batches=batches,
        open_batches=len(ids),
        waiting=counts.get("parked", 0) + queued,
    )


def _told(store: Store) -> dict[str, Any]:
    keys, pipe = store.keys, store.client.pipeline(transaction=False)
    asked = {
        "time": pipe.time,
        "info": lambda: pipe.info("memory"),
        "counts": lambda: pipe.hgetall(keys("counts")),
        "measured": lambda: pipe.hgetall(keys("measured")),
        "meta": lambda: pipe.hmget(keys("meta"), "window", "held"),
        "slots": lambda: pipe.zcard(keys("slots")),
        "due": lambda: pipe.zrange(keys("due"), 0, 0, withscores=True),
        "ends": lambda: pipe.xrange(keys("ends"), count=1),
        "unsettled": lambda: pipe.xlen(keys("ends")),
        "aside": lambda: pipe.llen(keys("unsettled")),
        "paused": lambda: pipe.zcard(keys("paused")),
        "paused_all": lambda: pipe.zscore(keys("paused"), "*"),
        "quarantined": lambda: pipe.zcard(keys("quarantined")),
        "leader": lambda: pipe.exists(keys("leader")),
        "workers": lambda: pipe.zrange(keys("workers"), 0, -1, withscores=True),
        "batches": lambda: pipe.zrevrange(keys("batches"), 0, LOOKED_AT - 1),
    }
    for ask in asked.values():
        ask()
    with store_errors():
        return dict(zip(asked, pipe.execute(), strict=True))


def _open(store: Store, ids: Sequence[str]) -> tuple[list[str], int]:
    """Return which of these batches have not ended, the oldest first, and what waits in them.

    These are their queued jobs where the user has paused the batch, or its limit has stopped it.
    What of it is at the provider moves on all the same.
    """
    pipe = store.client.pipeline(transaction=False)
    for batch in ids:
        pipe.hmget(store.keys("batch", batch), "done", "held", "broke", "n:queued")
    with store_errors():
        told = pipe.execute()
    waiting = sum(
        int(queued or 0)
        for done, held, broke, queued in told
        if done is None and (held is not None or broke is not None)
    )
    are_open = [batch for batch, (done, *_) in zip(ids, told, strict=True) if done is None]
    return are_open[::-1], waiting


def _numbers(fields: Mapping[bytes, bytes]) -> dict[str, int]:
    return {name.decode(): int(number) for name, number in fields.items()}


def _age(now: int, since: float) -> float:
    return max(0.0, (now - since) / 1000)
