"""Removing batches that are over, a hundred jobs at a time."""

from collections.abc import Iterator

from tasks import reading
from tasks.connection import store_errors
from tasks.errors import Error
from tasks.reading import Batch
from tasks.store import Store

LEAST = 86_400
"""Seconds a tombstone stays where no callback token asks for more."""

_WHY = {
    "open": "it has jobs that are open, or is not whole yet: reelqueue cancel {name} gives them up",
    "unsettled": "its last endings are not settled yet: try again while a worker is running",
    "running": "the provider may still work on a job of it that was given up, and bill it, or has "
    "yet to tell what one cost: try again when that is over, in an hour at most",
}


class NotOver(Error):
    """A batch that must stay; the text says why."""


def page(store: Store, batch: Batch) -> int | None:
    """Remove the first hundred jobs of a batch; returns how many, None where the batch is gone.

    Raises:
        NotOver: nothing was removed.
    """
    told = store.scripts.run("prune", batch.id, LEAST)
    if told == b"gone":
        return None
    if isinstance(told, bytes):
        why = _WHY[told.decode()].format(name=batch.name)
        raise NotOver(f"batch {batch.name} cannot be pruned: {why}")
    return int(told)


def pages(store: Store, batch: Batch) -> Iterator[int]:
    """Remove a batch; yields how many jobs went each time.

    Raises:
        NotOver: what was removed before stays so; the same again removes the rest.
    """
    while (gone := page(store, batch)) is not None:
        yield gone


def over_since(store: Store, before: int) -> list[Batch]:
    """Return batches all of whose jobs had ended before a time (ms), oldest first."""
    return [one for one in reading.batches(store) if one.done is not None and one.done < before]


def pass_over(store: Store, retention: float) -> int:
    """Remove a page of the oldest batch that is over for `retention` seconds; returns how many."""
    for batch in over_since(store, store.now() - round(retention * 1000)):
        try:
            if gone := page(store, batch):
                return gone
        except NotOver:
            continue
    return 0


def pruned(store: Store, jobs: list[str]) -> int:
    """Return how many of these jobs were removed, and are remembered."""
    with store_errors():
        found = store.client.exists(*(store.keys("tombstone", job) for job in jobs)) if jobs else 0
    return int(found)
