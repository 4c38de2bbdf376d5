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


class BatchRows:
    """The rows of batches, and what they showed last."""

    def __init__(self) -> None:
        self._shown: dict[str, Batch] = {}

    def changed(self, store: Store) -> list[tuple[str, dict[str, Any]]]:
        """Return events for each of the latest batches that has changed."""
        latest = {batch.id: batch for batch in reading.latest(store, MOST)}
        fresh = [batch for id_, batch in latest.items() if self._shown.get(id_) != batch]
        self._shown = latest
        return [(kind, batch_row(batch)) for batch in fresh for kind in _kinds(batch)]

    def forget(self) -> None:
        """Take all for changed."""
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
