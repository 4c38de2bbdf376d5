"""What a batch's row in Flower shows: its backlog stands there, not poured into rows."""

import time
from typing import Any

from tasks import reading
from tasks.job import State
from tasks.money import usd
from tasks.reading import Batch
from tasks.store import Store

NAME = "reelqueue.batch"
MOST = 50
"""Batches that are looked at, newest first."""
MOST_OPEN = 500
"""Batches that are looked at although newer ones came, until their end is shown."""


class BatchRows:
    """The rows of batches, and what they showed last."""

    def __init__(self) -> None:
        self._shown: dict[str, Batch] = {}
        self._unended: list[str] = []

    def changed(self, store: Store) -> list[tuple[str, dict[str, Any]]]:
        """Return events for each batch that has changed: the latest, and those shown as open."""
        looked = {batch.id: batch for batch in reading.latest(store, MOST)}
        older = [id_ for id_ in self._unended if id_ not in looked]
        looked |= {batch.id: batch for batch in reading.some_batches(store, older)}
        fresh = [batch for id_, batch in looked.items() if self._shown.get(id_) != batch]
        self._shown = looked
        self._unended = [id_ for id_, one in looked.items() if one.done is None][:MOST_OPEN]
        return [(kind, batch_row(batch)) for batch in fresh for kind in _kinds(batch)]

    def forget(self) -> None:
        """Take all for changed; what was looked at last may not have been told."""
        self._unended = list(dict.fromkeys([*self._shown, *self._unended]))[:MOST_OPEN]
        self._shown = {}


def _kinds(batch: Batch) -> tuple[str, ...]:
    """Return the events that bring a batch's row to where the batch stands."""
    if batch.done is not None:
        return ("task-revoked" if batch.cancelled else "task-succeeded",)
    # A row that has ended goes on only by way of a retry; another worker may have shown that end.
    return "task-retried", "task-started"


def batch_row(batch: Batch) -> dict[str, Any]:
    """Return the fields of a batch's event."""
    counts = {state.value: batch.states[state] for state in State if batch.states[state]}
    begun = batch.created / 1000
    row = {
        "uuid": batch.id,
        "name": NAME,
        "args": f"('{batch.name}',)",
        "kwargs": repr({"jobs": batch.total, **counts}),
        "sent": begun,
        "received": begun,
        "started": begun,
        "result": repr({"cost": usd(batch.cost), "open": batch.open}),
    }
    if batch.done is None:
        return row | {"timestamp": time.time(), "runtime": None}
    return row | {"timestamp": batch.done / 1000, "runtime": batch.done / 1000 - begun}
