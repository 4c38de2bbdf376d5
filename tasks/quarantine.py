"""Bodies that bore a good token and could not be understood: listed, read again, dropped by word.

Nothing is ever evicted: where a job's quarantine is full, the door answers 503 until there is room.
"""

import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from tasks.connection import store_errors
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


def kept(store: Store, jobs: Collection[str] = ()) -> Iterator[Kept]:
    """Yield the bodies of these jobs, by default of all; the job that waits longest comes first.

    One job's bodies at a time are in memory, and one of them unpacked. Those that were yielded may
    be dropped meanwhile.

    Raises:
        StoreAway: it cannot be read.
    """
    with store_errors():
        told = store.client.zrange(store.keys("quarantined"), 0, -1, withscores=True)
    for job, last in ((id_.decode(), int(at)) for id_, at in told):
        if jobs and job not in jobs:
            continue
        with store_errors():
            bodies = store.client.hgetall(store.keys("quarantine", job))
        for digest, packed in sorted(bodies.items()):
            yield Kept(job, digest.decode(), zlib.decompress(packed), last)


def full(store: Store) -> list[str]:
    """Return the jobs that no more bodies are kept of.

    Raises:
        StoreAway: it cannot be read.
    """
    return [job for job, number in _numbers(store).items() if number >= QUARANTINE_MOST]


def count(store: Store, jobs: Collection[str] = ()) -> int:
    """Return how many bodies are kept of these jobs, by default of all; reads none of them.

    Raises:
        StoreAway: it cannot be read.
    """
    return sum(number for job, number in _numbers(store).items() if not jobs or job in jobs)


def _numbers(store: Store) -> dict[str, int]:
    with store_errors():
        jobs = store.client.zrange(store.keys("quarantined"), 0, -1)
        pipe = store.client.pipeline(transaction=False)
        for job in jobs:
            pipe.hlen(store.keys("quarantine", job.decode()))
        numbers = pipe.execute()
    return {job.decode(): int(number) for job, number in zip(jobs, numbers, strict=True)}


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
