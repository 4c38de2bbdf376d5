"""Draining queued jobs from a provider with ample capacity: ours, and the usual design."""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import manifest
from benchmarks.baseline import analyse, app
from benchmarks.figures import RESULTS, Figure, conclude, say
from benchmarks.processes import (
    Meter,
    Place,
    Process,
    Product,
    Provider,
    StoreServer,
    await_true,
    environment,
    place,
)
from tasks import reading
from tasks.reading import Batch

LONGEST = 3600.0
WINDOW = 50_000
"""Most tasks at the provider at once: its capacity is ample, so the setting must be."""
CLAIMS = {"callbacks": (12, 0.05), "polling": (25, 0.1)}
"""By road: least ratio of jobs/s, most provider calls per job."""


@dataclass(frozen=True)
class Drained:
    """What draining took."""

    rate: float  # jobs/s, from the provider's first request to the last job's end
    cpu: dict[str, float]  # ms per job, by process
    calls: float  # requests to the provider per job

    def told(self) -> str:
        """Return it in a line."""
        each = ", ".join(f"{name} {spent:.2f}" for name, spent in self.cpu.items())
        return f"{self.rate:.0f} jobs/s, {self.calls:.3f} calls/job, CPU ms/job: {each}"


def main() -> None:
    """Measure the baseline once, ours by each road several times, and conclude."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--baseline-jobs", type=int, default=2_000)
    parser.add_argument("--latency", type=float, default=2.0)
    parser.add_argument("--processes", type=int, default=2, help="of the baseline's worker")
    parser.add_argument("--provider", choices=("lean", "simulator"), default="lean")
    parser.add_argument("--roads", nargs="*", choices=tuple(CLAIMS), default=tuple(CLAIMS))
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    latency = str(given.latency)
    with place() as here:
        usual = baseline(here, given.provider, latency, given.baseline_jobs, given.processes)
    say(f"baseline: {usual.told()}")
    figures = []
    for road in given.roads:
        found, alone = median_pair(given, road)
        figures += [
            *compared(road, found, usual),
            Figure(f"{road}: with Flower / without", found.rate, alone.rate, "jobs/s", least=0.8),
        ]
    how = (
        f"{given.jobs} jobs of {latency} s, {given.provider} provider, medians of {given.rounds}; "
        f"baseline {given.baseline_jobs} jobs, prefork -c {given.processes}"
    )
    conclude("drain", how, figures, given.results)


def median_pair(given: argparse.Namespace, road: str) -> tuple[Drained, Drained]:
    """Drain by one road with Flower and without, in turn, and return the median of each."""
    pairs = [
        [drained(given, road, watched=watched) for watched in (True, False)]
        for _ in range(given.rounds)
    ]
    with_flower, without = (
        sorted(runs, key=lambda one: one.rate) for runs in zip(*pairs, strict=True)
    )
    return with_flower[given.rounds // 2], without[given.rounds // 2]


def drained(given: argparse.Namespace, road: str, *, watched: bool) -> Drained:
    """Drain by one road, with Flower beside or without."""
    with place() as here:
        found = ours(
            here,
            given.provider,
            str(given.latency),
            given.jobs,
            callbacks=road == "callbacks",
            watched=watched,
        )
    say(f"ours, {road}{'' if watched else ', without Flower'}: {found.told()}")
    return found


def compared(road: str, found: Drained, usual: Drained) -> list[Figure]:
    """Hold one road against the baseline."""
    least, most = CLAIMS[road]
    door = found.cpu["webhooks"] if road == "callbacks" else 0.0
    cpu = found.cpu["worker"] + door
    rest = sum(found.cpu[name] for name in ("flower", "store"))
    return [
        Figure(f"{road}: jobs/s", found.rate, usual.rate, "jobs/s", least=least),
        Figure(f"{road}: CPU of worker and door", cpu, usual.cpu["worker"], "ms/job", most=1 / 8),
        Figure(f"{road}: CPU of store and Flower", rest, usual.cpu["store"], "ms/job"),
        Figure(f"{road}: provider calls per job", found.calls, 1, "calls", most=most),
    ]


# -- the usual design


def baseline(here: Place, kind: str, latency: str, jobs: int, processes: int) -> Drained:
    """Drain by one Celery task per job."""
    store, provider = StoreServer(here), Provider(here, kind, "--latency", latency)
    app.conf.update(broker_url=store.url, result_backend=store.url)
    for row in manifest.rows(jobs):
        analyse.delay(row)
    worker = _celery(here, store, provider, processes)
    await_true(lambda: provider.totals()["accepted"], 60)
    meter = Meter({"worker": worker.pid, "store": store.pid, "provider": provider.pid})
    begun = time.monotonic()
    ended = _await_quiet(store)
    kept = sum(1 for _ in store.client.scan_iter("celery-task-meta-*", count=1000))
    if kept != jobs:
        raise RuntimeError(f"{kept} of {jobs} results were kept")
    cpu = {name: spent * 1000 / jobs for name, spent in meter.read().items()}
    return Drained(jobs / (ended - begun), cpu, provider.totals()["posts"] / jobs)


def _celery(here: Place, store: StoreServer, provider: Provider, processes: int) -> Process:
    argv = [sys.executable, "-m", "celery", "--quiet", "-A", "benchmarks.baseline", "worker"]
    lean = ["--without-gossip", "--without-mingle", "--loglevel=ERROR", "-c", str(processes)]
    env = environment(BASELINE_STORE=store.url, BASELINE_PROVIDER=provider.url)
    return here.start("celery", [*argv, *lean], env)


def _await_quiet(store: StoreServer) -> float:
    """Return when the last message was gone: none queued, none waiting for its time."""
    gone_at = None
    while gone_at is None or time.monotonic() - gone_at < 1:
        left = store.client.llen("celery") + store.client.hlen("unacked")
        gone_at = None if left else gone_at or time.monotonic()
        time.sleep(0.02)
    return gone_at


# -- ours


def ours(
    here: Place, kind: str, latency: str, jobs: int, *, callbacks: bool, watched: bool
) -> Drained:
    """Drain by `reelqueue up`, or without Flower, the jobs queued while it is held."""
    store, provider = StoreServer(here), Provider(here, kind, "--latency", latency)
    product = Product(here, store, REELQUEUE_WINDOW_MAX=str(WINDOW))
    product.take(provider, callbacks=callbacks)
    pids = product.started(watched=watched)
    queue_held(product, manifest.write(here.folder / "clips.jsonl", jobs))
    meter = Meter(pids | {"store": store.pid, "provider": provider.pid})
    release(store)
    await_true(lambda: provider.totals()["accepted"], 60, 0.01)
    begun = store.now()
    batch = await_done(store, "clips")
    await_true(lambda: not store.client.xlen("reelqueue:ends"), 60)
    if batch.states["completed"] != jobs or batch.done is None:
        raise RuntimeError(f"not all completed: {batch.states}")
    cpu = {name: spent * 1000 / jobs for name, spent in meter.read().items()}
    return Drained(jobs / (batch.done / 1000 - begun), cpu, provider.totals()["posts"] / jobs)


def queue_held(product: Product, path: Path) -> None:
    """Submit a manifest of which nothing is claimed yet."""
    opened = product.store.opened()
    opened.pause("*", "held by the benchmark", LONGEST)
    command = product.start("submit", "submit", str(path), "--yes")
    if command.wait(LONGEST):
        raise RuntimeError(command.said)


def release(store: StoreServer) -> None:
    """Let the queue go: the pause is over now."""
    opened = store.opened()
    opened.client.zadd(opened.keys("paused"), {"*": 1})
    opened.nudge()


def await_done(store: StoreServer, name: str, seconds: float = LONGEST) -> Batch:
    """Return the batch once all its jobs have ended."""
    opened = store.opened()

    def ended() -> bool:
        found = reading.batch_named(opened, name)
        return found is not None and found.done is not None

    await_true(ended, seconds, 0.05)
    found = reading.batch_named(opened, name)
    if found is None:
        raise RuntimeError(f"batch {name} has gone")
    return found


if __name__ == "__main__":
    main()
