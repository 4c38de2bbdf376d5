"""Draining queued jobs from a provider with ample capacity: ours, and the usual design."""

import argparse
import sys
import time
from dataclasses import dataclass
from itertools import product as pairs
from pathlib import Path

from celery import Celery

from benchmarks import manifest
from benchmarks.baseline import analyse
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
    free_port,
    place,
)
from tasks import reading
from tasks.reading import Batch

LONGEST = 3600.0
CELERY = (sys.executable, "-m", "celery", "--quiet", "-A", "benchmarks.baseline")
WINDOW = 50_000
"""Most tasks at the provider at once: its capacity is ample, so the setting must be."""
USUAL = "usual design"
CLAIMS = {"callbacks": (12, 0.05), "polling": (25, 0.1)}
"""By road: least ratio of jobs/s, most provider calls per job."""
Run = tuple[str, bool]
"""A road, or the usual design; whether Flower runs beside it."""


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
    """Measure the baseline and ours by each road, with Flower and without, and conclude."""
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
    found = medians(given)
    figures = [figure for road in given.roads for figure in compared(road, found)]
    how = (
        f"{given.jobs} jobs of {given.latency} s, {given.provider} provider; "
        f"baseline {given.baseline_jobs} jobs, prefork -c {given.processes}; "
        f"medians of {given.rounds}"
    )
    conclude("drain", how, figures, given.results)


def medians(given: argparse.Namespace) -> dict[Run, Drained]:
    """Make each kind of run once a round, in turn, and return its run of median speed."""
    kinds = list(pairs((USUAL, *given.roads), (True, False)))
    rounds = [{kind: drained(given, *kind) for kind in kinds} for _ in range(given.rounds)]
    runs = {kind: sorted((one[kind] for one in rounds), key=lambda it: it.rate) for kind in kinds}
    return {kind: some[len(some) // 2] for kind, some in runs.items()}


def drained(given: argparse.Namespace, road: str, watched: bool) -> Drained:  # noqa: FBT001  a Run
    """Drain by one road, or the usual way, with Flower beside or without."""
    with place() as here:
        if road == USUAL:
            found = baseline(here, given, watched=watched)
        else:
            found = ours(here, given, callbacks=road == "callbacks", watched=watched)
    say(f"{road}{'' if watched else ', without Flower'}: {found.told()}")
    return found


def compared(road: str, runs: dict[Run, Drained]) -> list[Figure]:
    """Hold one road against the baseline, like against like, and against itself without Flower."""
    least, most = CLAIMS[road]
    (ours, bare), (usual, usual_bare) = (
        (runs[kind, True], runs[kind, False]) for kind in (road, USUAL)
    )
    door = ours.cpu["webhooks"] if road == "callbacks" else 0.0
    cpu = ours.cpu["worker"] + door
    rest, aside = (sum(one.cpu[name] for name in ("flower", "store")) for one in (ours, usual))
    rates = (bare.rate, usual_bare.rate)
    return [
        Figure(f"{road}: jobs/s", ours.rate, usual.rate, "jobs/s", least=least),
        Figure(f"{road}: jobs/s, neither with Flower", *rates, "jobs/s", least=least),
        Figure(f"{road}: with Flower / without", ours.rate, bare.rate, "jobs/s", least=0.8),
        Figure(f"{road}: CPU of worker and door", cpu, usual.cpu["worker"], "ms/job", most=1 / 8),
        Figure(f"{road}: CPU of store and Flower", rest, aside, "ms/job"),
        Figure(f"{road}: provider calls per job", ours.calls, 1, "calls", most=most),
    ]


def _provider(here: Place, given: argparse.Namespace) -> Provider:
    return Provider(here, given.provider, "--latency", str(given.latency))


# -- the usual design


def baseline(here: Place, given: argparse.Namespace, *, watched: bool) -> Drained:
    """Drain by one Celery task per job."""
    jobs = given.baseline_jobs
    store, provider = StoreServer(here), _provider(here, given)
    with Celery(broker=store.url, set_as_current=False) as caller:
        for row in manifest.rows(jobs):
            caller.send_task(analyse.name, (row,))
    pids = {"store": store.pid, "provider": provider.pid}
    if watched:
        pids["flower"] = _flower(here, store).pid
    lean = ["--without-gossip", "--without-mingle", "--loglevel=ERROR", "-c", str(given.processes)]
    env = environment(BASELINE_STORE=store.url, BASELINE_PROVIDER=provider.url)
    pids["worker"] = here.start("celery", [*CELERY, "worker", *lean], env).pid
    await_true(lambda: provider.totals()["accepted"], 60)
    meter = Meter(pids)
    begun = time.monotonic()
    ended = _await_quiet(store)
    kept = sum(1 for _ in store.client.scan_iter("celery-task-meta-*", count=1000))
    if kept != jobs:
        raise RuntimeError(f"{kept} of {jobs} results were kept")
    cpu = {name: spent * 1000 / jobs for name, spent in meter.read().items()}
    return Drained(jobs / (ended - begun), cpu, provider.totals()["posts"] / jobs)


def _flower(here: Place, store: StoreServer) -> Process:
    """Start Flower as it comes."""
    plain, port = here.folder / "flower.py", free_port()
    plain.touch()
    flags = [f"--conf={plain}", f"--port={port}", "--address=127.0.0.1"]
    env = environment(BASELINE_STORE=store.url)
    flower = here.start("flower", [*CELERY, "flower", *flags], env)
    await_true(store.client.pubsub_numpat, 60)  # it listens
    return flower


def _await_quiet(store: StoreServer) -> float:
    """Return when the last message was gone: none queued, none waiting for its time."""
    gone_at = None
    while gone_at is None or time.monotonic() - gone_at < 1:
        left = store.client.llen("celery") + store.client.hlen("unacked")
        gone_at = None if left else gone_at or time.monotonic()
        time.sleep(0.02)
    return gone_at


# -- ours


def ours(here: Place, given: argparse.Namespace, *, callbacks: bool, watched: bool) -> Drained:
    """Drain by `reelqueue up`, or without Flower, the jobs queued while it is held."""
    jobs, store, provider = given.jobs, StoreServer(here), _provider(here, given)
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
