"""Growth: what a job costs, in CPU and in the store's bytes, among many and among few."""

import argparse
import resource
import statistics
from dataclasses import dataclass, field
from pathlib import Path

from batches.journal import Journal
from batches.manifest import manifest_at
from batches.queueing import Queueing
from benchmarks import manifest
from benchmarks.drain import LONGEST, WINDOW
from benchmarks.figures import RESULTS, Figure, conclude, say
from benchmarks.processes import (
    Meter,
    Place,
    Product,
    Provider,
    StoreServer,
    await_true,
    cpu_seconds,
    place,
)
from tasks import reading
from tasks.store import Store

SAMPLE = 2_000
"""Jobs whose own bytes are looked at."""
SIZES = (1, 10, 50)
"""Jobs in the claims that are timed: one, those of one script, a full POST's."""
REPEATS = 40
"""Claims of each size."""
SMALL = 10
"""Rows of each batch that stands beside the large one."""


@dataclass
class Costs:
    """What one job cost."""

    cpu: dict[str, float] = field(default_factory=dict)  # ms, by process
    queued: float = 0.0  # bytes in the store beyond the row's own
    completed: float = 0.0  # bytes in the store beyond the row's and the answer's own
    whole: float = 0.0  # bytes of a completed job, its own among them
    claims: dict[int, float] = field(default_factory=dict)  # ms in the store, by jobs claimed


def main() -> None:
    """Measure few, then many, and conclude."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--batches", type=int, default=1_000)
    parser.add_argument("--latency", type=float, default=2.0)
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    found = []
    for jobs, batches in ((given.few, 1), (given.many, given.batches)):
        with place() as here:
            found.append(measure(here, jobs, batches, given.latency))
    how = (
        f"{given.many} jobs beside {given.few}, through `submit` and `up`, polled from the lean "
        f"provider; claims among {given.batches} batches"
    )
    conclude("growth", how, figures(*found), given.results)


def figures(few: Costs, many: Costs) -> list[Figure]:
    """Return what is claimed, and its parts."""
    totals = sum(many.cpu.values()), sum(few.cpu.values())
    parts = [Figure(f"CPU of {part}", many.cpu[part], few.cpu[part], "ms/job") for part in many.cpu]
    claims = [
        Figure(f"claim of {jobs}", spent, 1, "ms", most=1) for jobs, spent in many.claims.items()
    ]
    return [
        Figure("CPU of command, worker and store", *totals, "ms/job", most=1.2),
        *parts,
        Figure("bytes of a completed job", many.whole, few.whole, "B/job", most=1.2),
        Figure("bytes beyond its own, queued", many.queued, 1, "B/job", most=700),
        Figure("bytes beyond its own, completed", many.completed, 1, "B/job", most=900),
        *claims,
    ]


def measure(here: Place, jobs: int, batches: int, latency: float) -> Costs:
    """Queue, claim, and drain so many jobs in a store of their own."""
    store, costs = StoreServer(here), Costs()
    product, opened = Product(here, store), store.opened()
    empty = store.memory()
    _submit(product, manifest.write(here.folder / "clips.jsonl", jobs), costs, jobs)
    some = _some(opened, jobs)
    row = _own_rows(opened, some)
    costs.queued = (store.memory() - empty) / jobs - row
    total = jobs + _queue_beside(here, product, opened, batches - 1)
    _time_claims(store, opened, costs)
    _drain(here, product, costs, total, latency)
    costs.whole = (store.memory() - empty) / total
    costs.completed = costs.whole - row - _own_answers(opened, some)
    say(
        f"{jobs} jobs: {costs.queued:.0f} B queued, {costs.completed:.0f} B completed; CPU ms/job: "
        + ", ".join(f"{part} {spent:.2f}" for part, spent in costs.cpu.items())
    )
    return costs


def _submit(product: Product, path: Path, costs: Costs, jobs: int) -> None:
    before, meter = _ended_cpu(), Meter({"store": product.store.pid})
    command = product.start("submit", "submit", str(path), "--yes")
    if command.wait(LONGEST):
        raise RuntimeError(command.said)
    costs.cpu["submit"] = (_ended_cpu() - before) * 1000 / jobs
    costs.cpu["store while queueing"] = meter.read()["store"] * 1000 / jobs


def _ended_cpu() -> float:
    """Return the CPU seconds of children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _queue_beside(here: Place, product: Product, opened: Store, batches: int) -> int:
    """Queue small batches in this process: a command for each would take ten minutes."""
    path = manifest.write(here.folder / "small.jsonl", SMALL)
    secret = product.env["REELQUEUE_INSTALLATION_SECRET"].encode()
    for number in range(batches):
        one = Queueing(opened, Journal(product.data), secret, f"small-{number}")
        one.queue(manifest_at(path).rows(), lambda _count: None)
    return batches * SMALL


def _some(opened: Store, jobs: int) -> list[str]:
    """Return jobs from all over the batch."""
    batch = reading.batch_named(opened, "clips")
    if batch is None or batch.total != jobs:
        raise RuntimeError(f"not all rows were queued: {batch}")
    every = max(1, jobs // SAMPLE)
    return [job for page in list(reading.rows(opened, batch.id)) for job in page][::every]


def _own_rows(opened: Store, jobs: list[str]) -> float:
    """Return the mean size of the compressed input as it is stored."""
    pipe = opened.client.pipeline(transaction=False)
    for job in jobs:
        pipe.strlen(opened.keys("input", job))
    return statistics.fmean(pipe.execute())


def _own_answers(opened: Store, jobs: list[str]) -> float:
    """Return the mean size of the compressed answers as they are stored."""
    pipe = opened.client.pipeline(transaction=False)
    for job in jobs:
        pipe.strlen(opened.keys("result", job, 1))
    return statistics.fmean(pipe.execute())


def _time_claims(store: StoreServer, opened: Store, costs: Costs) -> None:
    """Time the claim script in the store, and put back what was claimed."""
    meta = opened.keys("meta")
    opened.marks.check("timing", 1)
    opened.client.hset(meta, "window", 100 * WINDOW)
    for size in SIZES:
        taken = [opened.claim(1, 3600, "", "", 3600)]  # so that loading the script is not timed
        store.forget_times()
        taken += [opened.claim(size, 3600, "", "", 3600) for _ in range(REPEATS)]
        costs.claims[size] = store.script_time()[1] / 1000
        for claim in taken:
            with opened.moves() as moves:
                for job in claim.jobs:
                    moves.refuse(job.id, claim.token, 0, "timed", "timed")
    opened.client.delete(meta)  # with the mark of a provider and the window: `up` sets its own


def _drain(here: Place, product: Product, costs: Costs, jobs: int, latency: float) -> None:
    store, provider = product.store, Provider(here, "lean", "--latency", str(latency))
    product.env["REELQUEUE_WINDOW_MAX"] = str(WINDOW)
    product.take(provider, callbacks=False)
    meter = Meter({"store": store.pid})
    product.up()
    worker, counts = product.pids()["worker"], store.opened().keys("counts")
    await_true(lambda: int(store.client.hget(counts, "n:completed") or 0) >= jobs, LONGEST, 0.2)
    await_true(lambda: not store.client.xlen("reelqueue:ends"), LONGEST, 0.2)
    costs.cpu["worker"] = cpu_seconds(worker) * 1000 / jobs
    costs.cpu["store while draining"] = meter.read()["store"] * 1000 / jobs


if __name__ == "__main__":
    main()
