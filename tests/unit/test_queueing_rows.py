"""Rows become jobs of a batch, in a real store, once."""

from pathlib import Path

import pytest

from batches.chunks import CHUNK
from batches.journal import Journal
from batches.problems import BadManifest
from batches.queueing import Queueing
from batches.row import Row, read_row
from tasks import ids, reading, reading_requests
from tasks.job import State
from tasks.store import Store

SECRET = b"s" * 32


def row(line: int, custom_id: str, **fields: object) -> Row:
    return read_row(line, {"custom_id": custom_id, "prompt": "What?", **fields})[0]


@pytest.fixture
def queueing(store: Store, tmp_path: Path) -> Queueing:
    return Queueing(store, Journal(tmp_path), SECRET, "clips")


def queue(queueing: Queueing, rows: list[Row]) -> str:
    heard: list[int] = []
    batch_id = queueing.queue(rows, heard.append).batch_id
    assert sum(heard) == len(rows)
    return batch_id


def test_each_row_is_a_job_under_its_derived_id(queueing: Queueing) -> None:
    rows = [row(n, f"clip-{n}", seed=n, scene=f"s{n}") for n in range(1, CHUNK + 3)]
    batch_id = queue(queueing, rows)
    jobs = [id_ for page in reading.rows(queueing.store, batch_id) for id_ in page]
    assert jobs == [ids.job_id(SECRET, batch_id, r.custom_id) for r in rows]
    requests = reading_requests.requests_of(queueing.store, [(job, batch_id) for job in jobs])
    for asked, given in zip(requests, rows, strict=True):
        assert (asked.custom_id, asked.body, asked.columns) == (
            given.custom_id,
            given.body,
            given.columns,
        )
    assert {r.state for r in reading.records(queueing.store, jobs) if r} == {State.QUEUED}


def test_the_same_manifest_again_adds_nothing(queueing: Queueing) -> None:
    rows = [row(1, "a"), row(2, "b")]
    assert (queueing.plan(rows, len(rows)).new, queueing.plan(rows, len(rows)).known) == (2, 0)
    batch_id = queue(queueing, rows)
    assert (queueing.plan(rows, len(rows)).new, queueing.plan(rows, len(rows)).known) == (0, 2)
    assert queue(queueing, rows) == batch_id
    found = reading.batch(queueing.store, batch_id)
    assert found
    assert (found.total, found.open, found.sealed) == (2, 2, True)


def test_a_row_with_other_content_stops_the_plan_before_anything_is_added(
    queueing: Queueing,
) -> None:
    queue(queueing, [row(1, "a")])
    with pytest.raises(BadManifest, match=r"nothing was added.*\n  line 2: a"):
        queueing.plan([row(1, "b"), row(2, "a", seed=5)], 2)


def test_a_row_that_another_submission_recorded_meanwhile_is_told_not_swallowed(
    queueing: Queueing,
) -> None:
    batch_id = queue(queueing, [row(1, "a")])
    with pytest.raises(BadManifest, match=r"left as they were:\n  line 2: a"):
        queue(queueing, [row(1, "b"), row(2, "a", seed=5)])
    found = reading.batch(queueing.store, batch_id)
    assert found
    assert (found.total, found.sealed) == (2, True)


def test_a_store_that_lost_everything_meets_the_same_ids_again(queueing: Queueing) -> None:
    before = queue(queueing, [row(1, "a")])
    for key in queueing.store.client.scan_iter(f"{queueing.store.keys.namespace}:*"):
        queueing.store.client.delete(key)
    queueing.store.marks.check("simulated", 8)
    assert queue(queueing, [row(1, "a")]) == before
