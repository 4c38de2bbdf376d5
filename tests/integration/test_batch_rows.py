"""A batch's row in Flower follows it to its end, however many batches are newer."""

from core_driver import bring_to, queue, row

from tasks.job import State
from tasks.store import Store
from worker.batch_rows import MOST, BatchRows


def told(rows: BatchRows, store: Store, batch: str) -> list[str]:
    return [kind for kind, fields in rows.changed(store) if fields["uuid"] == batch]


def test_a_batch_is_shown_to_its_end_when_fifty_newer_ones_came(store: Store) -> None:
    rows = BatchRows()
    (job,) = queue(store, row(numberResults=2), name="old")
    assert told(rows, store, "batch_old") == ["task-retried", "task-started"]
    bring_to(store, job, State.PROCESSING)
    for n in range(MOST):
        queue(store, row(), name=f"new{n}")
    assert told(rows, store, "batch_old") == ["task-retried", "task-started"]
    assert told(rows, store, "batch_old") == []
    rows.forget()
    assert told(rows, store, "batch_old") == ["task-retried", "task-started"]
    store.client.hset(store.keys("batch", "batch_old"), "done", store.now())
    assert told(rows, store, "batch_old") == ["task-succeeded"]
    rows.forget()  # it could not be sent
    assert told(rows, store, "batch_old") == ["task-succeeded"]
    assert told(rows, store, "batch_old") == []
    store.client.hset(store.keys("batch", "batch_old"), "cost", 7)
    assert told(rows, store, "batch_old") == []
