"""Rows of megabytes: few of them are in memory at once, wherever they go."""

import random
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from core_driver import Rig, asked, queue, row, success, take, verdict
from simulator_driver import Simulator

from batches.chunks import HEAVY, chunked
from batches.failed import failed_rows
from batches.journal import Journal
from batches.queueing import Queueing
from batches.results import table
from batches.row import Row, read_row
from batches.table_kinds import kinds
from tasks import payload, reading, reading_requests, reading_results
from tasks.job import Record
from tasks.settle import stories
from tasks.store import Store
from tasks.token import Keyring

pytestmark = pytest.mark.one_store

SECRET = b"x" * 32
MEGABYTE = 1_000_000
ROWS = 45
LEAST = 5 * HEAVY
"""Bytes that all rows at once would take at least; what is measured stays below."""


def packs_well(number: int) -> str:
    return f"line {number} of many\n" * (MEGABYTE // 15)


def packs_badly(number: int) -> str:
    return random.Random(number).randbytes(MEGABYTE // 2).hex()


Text = Callable[[int], str]


def long_rows(text: Text, column: str) -> Iterator[Row]:
    for n in range(1, ROWS + 1):
        yield read_row(n, {"custom_id": f"r{n}", "prompt": "What?", column: text(n)})[0]


def queued(store: Store, folder: Path, rows: Iterable[Row]) -> str:
    return Queueing(store, Journal(folder), SECRET, "long").queue(rows, lambda _: None).batch_id


def peak(work: Callable[[], object]) -> int:
    """Return the most bytes that were in use at once while working."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def run_through(rows: Iterable[object]) -> Callable[[], None]:
    def work() -> None:
        for _ in rows:
            pass

    return work


@pytest.mark.parametrize("text", [packs_well, packs_badly])
@pytest.mark.parametrize("column", ["notes", "prompt"])
def test_long_rows_are_queued_and_read_few_at_once(
    store: Store, tmp_path: Path, text: Text, column: str
) -> None:
    rows = long_rows(text, column)
    assert peak(lambda: queued(store, tmp_path, rows)) < 2 * LEAST  # of all: 3 and more
    batch = reading.batches(store)[0].id
    assert peak(run_through(table(store, batch, simulated=True))) < LEAST
    assert peak(lambda: kinds(store, batch)) < LEAST
    told = (row.get("notes", "") for row in table(store, batch, simulated=True))
    assert column == "prompt" or list(told) == [text(n) for n in range(1, ROWS + 1)]


@pytest.mark.parametrize("column", ["notes", "prompt"])
def test_rows_of_a_page_that_share_parts_in_any_order_get_their_own(
    store: Store, tmp_path: Path, column: str
) -> None:
    texts = [packs_badly(n % 5) if n % 3 else f"short {n % 2}" for n in range(ROWS)]
    batch = queued(store, tmp_path, long_rows(lambda n: texts[n - 1], column))
    jobs = [(job, batch) for page in reading.rows(store, batch) for job in page]
    found = list(reading_requests.each_request(store, jobs))
    asked = [one.columns if column == "notes" else one.body["messages"][0] for one in found]
    assert [one["notes" if column == "notes" else "content"] for one in asked] == texts


def test_long_rows_are_sent_one_post_at_a_time(store: Store, tmp_path: Path) -> None:
    queued(store, tmp_path, long_rows(packs_badly, "prompt"))
    store.client.hset(store.keys("meta"), "window", 50)
    claim = store.claim(50, 60, "", "", 60)
    ring = Keyring("tests", {})
    sizes: list[int] = []

    def send() -> None:
        for jobs, tasks in payload.portions(store, ring, claim.jobs, frozenset(), 3 * MEGABYTE):
            assert [job.id for job in jobs] == [*tasks]
            sizes.append(sum(map(len, tasks.values())))

    assert peak(send) < LEAST
    assert len(sizes) == (ROWS + 1) // 2
    assert max(sizes) < 3 * MEGABYTE


def test_a_chunk_is_full_by_its_number_or_by_its_weight() -> None:
    rows = [*long_rows(packs_well, "notes")]
    light = [read_row(n, {"custom_id": str(n), "prompt": "?"})[0] for n in range(250)]
    heavy = [len(chunk) for chunk in chunked(rows)]
    assert (sum(heavy), max(heavy) < 10) == (ROWS, True)
    assert [len(chunk) for chunk in chunked(light)] == [100, 100, 50]


def test_failed_long_rows_are_written_few_at_once(
    store: Store, simulator: Simulator, tmp_path: Path
) -> None:
    queued(store, tmp_path, long_rows(packs_badly, "notes"))
    simulator.change(directives="refuse=promptBlocked")
    rig = Rig(store, simulator.v1)
    batch = reading.batches(store)[0].id
    rig.jobs += [job for page in reading.rows(store, batch) for job in page]
    rig.run(seconds=30)
    assert peak(run_through(failed_rows(store, batch))) < LEAST
    assert sum(1 for _ in failed_rows(store, batch)) == ROWS


def answered(store: Store, texts: Iterable[str]) -> list[Record]:
    """Make jobs that are completed with these texts; returns their records."""
    jobs = []
    for n, text in enumerate(texts):
        (job,) = queue(store, row(), name=f"b{n}")
        take(store)
        one = asked(store, job)
        with store.moves() as moves:
            moves.join(one, 0, 60, "", verdict(success(one.task_uuid, text), final=True))
        jobs.append(job)
    return [job for job in reading.records(store, jobs) if job]


def test_long_answers_are_told_few_at_once(store: Store) -> None:
    jobs = answered(store, (packs_well(n) for n in range(2 * ROWS)))
    assert peak(run_through(stories(store, jobs))) < len(jobs) * MEGABYTE // 2
    texts = [str(item.raw["text"])[:20] for told in stories(store, jobs) for item in told.results]
    assert texts == [packs_well(n)[:20] for n in range(2 * ROWS)]


def test_answers_of_any_size_are_told_in_order(store: Store) -> None:
    jobs = answered(store, (packs_well(n) if n % 9 == 0 else f"{n}" for n in range(2 * ROWS)))
    told = [story.results for story in stories(store, jobs)]
    assert told == reading_results.answers(store, jobs)
