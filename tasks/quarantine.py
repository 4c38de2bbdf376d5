"""Bodies that bore a good token and could not be understood: listed, read again, dropped by word.

Nothing is ever evicted: where a job's quarantine is full, the door answers 503 until there is room.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from tasks.lua import store_errors
from tasks.steps import receive
from tasks.store import QUARANTINE_MOST, Store

UNFORESEEN = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What code that reads a body raises where it did not expect it."""

JOINED = frozenset({"stored", "known"})
"""What `receive` says of a body that need not be kept any longer."""


@dataclass(frozen=True)
class Kept:
    """One body in quarantine."""

    job: str  # that its token named
    digest: str
    body: bytes
    last: int  # ms: when the last body of this job was kept


def kept(store: Store) -> Iterator[Kept]:
    """Yield all bodies, those of the job that waits longest first; one job's at a time in memory.

    Raises:
        StoreAway: it cannot be read.
    """
    with store_errors():
        jobs = store.client.zrange(store.keys("quarantined"), 0, -1, withscores=True)
    for job, last in ((id_.decode(), int(at)) for id_, at in jobs):
        with store_errors():
            bodies = store.client.hgetall(store.keys("quarantine", job))
        for digest, packed in sorted(bodies.items()):
            yield Kept(job, digest.decode(), zlib.decompress(packed), last)


def full(store: Store) -> list[str]:
    """Return the jobs that no more bodies are kept of.

    Raises:
        StoreAway: it cannot be read.
    """
    with store_errors():
        jobs = store.client.zrange(store.keys("quarantined"), 0, -1)
        pipe = store.client.pipeline(transaction=False)
        for job in jobs:
            pipe.hlen(store.keys("quarantine", job.decode()))
        sizes = pipe.execute()
    return [job.decode() for job, n in zip(jobs, sizes, strict=True) if n >= QUARANTINE_MOST]


def replay(store: Store, one: Kept) -> str:
    """Read a body again as the door would; where it is joined now, it leaves the quarantine.

    Returns:
        What `tasks.steps.receive` says; 'unreadable' also where this code meets a fault in it.

    Raises:
        StoreAway: it may be joined, and is still kept; to replay it again does no harm.
    """
    try:
        told = receive(store, one.job, one.body)
    except UNFORESEEN:  # what brought it here
        return "unreadable"
    if told in JOINED:
        drop(store, one)
    return told


def drop(store: Store, one: Kept) -> bool:
    """Forget a body; false where it had gone already.

    Raises:
        StoreAway: it may be gone.
    """
    return bool(store.scripts.run("unquarantine", one.job, one.digest))
