"""What Flower was told of lately: told again when it comes back, for it may have lost it."""

from collections.abc import Iterator, Sequence
from uuid import uuid4

from tasks import reading
from tasks.connection import store_errors
from tasks.job import Record
from tasks.store import Store

KEPT_MS = 90_000
"""Flower saves its rows each minute (worker/memory.py); a kill takes what came after."""
MOST = 20_000
"""Jobs remembered: as many as Flower keeps rows."""
PORTION = 500


def remember(store: Store, jobs: Sequence[str]) -> None:
    """Remember that jobs were shown."""
    if not jobs:
        return
    key, now = store.keys("lately"), store.now()
    with store_errors():
        pipe = store.client.pipeline(transaction=False)
        pipe.zadd(key, dict.fromkeys(jobs, now)).zremrangebyscore(key, 0, now - KEPT_MS)
        pipe.zremrangebyrank(key, 0, -MOST - 1).execute()


def came_back(store: Store) -> None:
    """Say that Flower has come (back); the next door that shows something tells it all again."""
    with store_errors():
        store.client.set(store.keys("back"), uuid4().hex)


def is_back(store: Store) -> str:
    """Return the mark of Flower that has come back; empty where it was told it all again."""
    with store_errors():
        return bytes(store.client.get(store.keys("back")) or b"").decode()


def told_again(store: Store, mark: str) -> None:
    """Say that Flower was told it all again; not where it has come back once more meanwhile."""
    store.scripts.run("release", store.keys("back"), mark)


def jobs(store: Store) -> Iterator[list[Record]]:
    """Return the jobs that were shown lately and those at the provider, in portions."""
    with store_errors():
        lately = [job.decode() for job in store.client.zrange(store.keys("lately"), 0, -1)]
        tasks = [uuid.decode() for uuid in store.client.zrange(store.keys("slots"), 0, -1)]
    ids = list(dict.fromkeys([*lately, *reading.jobs_of(store, tasks)]))
    for start in range(0, len(ids), PORTION):
        found = reading.records(store, ids[start : start + PORTION])
        yield [record for record in found if record]
