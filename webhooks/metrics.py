"""`GET /metrics` for Prometheus, read from the store: every process tells the same.

README.md has the names in a table.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, cast

from flask import Blueprint, Response, current_app
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from tasks import measures
from tasks.errors import Road
from tasks.job import State
from tasks.measures import Measures
from tasks.money import NANO
from tasks.tally import BOUNDS

if TYPE_CHECKING:
    from webhooks.build import Api

ROADS = (Road.SUBMIT, Road.POLL)
OUTCOMES = (
    *("accepted", "duplicate", "quarantined", "foreign", "cut", "oversize", "full"),
    *("encoded", "unauthenticated", "store_away"),
)
"""What becomes of a callback (runware.py). All are told from the start: a rate sees the first."""

routes = Blueprint("metrics", __name__)


@routes.get("/metrics")
def metrics() -> Response:
    """Tell how the store stands.

    Raises:
        StoreAway: it cannot be read; nothing is told rather than what was true once.
    """
    desk = cast("Api", current_app.extensions["reelqueue"])
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Told(desk.gate.run(partial(measures.read, desk.store))))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class Told(Collector):
    """One moment of the store, as metrics."""

    def __init__(self, told: Measures) -> None:
        self._told = told

    def collect(self) -> Iterator[Metric]:
        """Yield all families."""
        yield from _jobs(self._told)
        yield from _batches(self._told)
        yield from _window(self._told)
        yield from _behind(self._told)
        yield from _standing(self._told)
        yield from _provider(self._told)
        yield from _callbacks(self._told)
        yield from _store(self._told)


def _jobs(told: Measures) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("reelqueue_jobs", "Jobs of all batches by state.", labels=["state"])
    for state in State:
        jobs.add_metric([state], told.counts.get(f"n:{state}", 0))
    yield jobs
    yield _gauge("parked_jobs", "Jobs that wait for the user's word.", told.counts.get("parked", 0))
    help_ = "Open jobs that wait neither for the user's word nor for the end of a pause or limit."
    yield _gauge("movable_jobs", help_, told.movable)
    help_ = "Cost of all attempts so far, in US dollars."
    yield CounterMetricFamily("reelqueue_cost_usd", help_, told.counts.get("cost", 0) / NANO)


def _batches(told: Measures) -> Iterator[Metric]:
    yield _gauge("open_batches", "Batches that have not ended.", told.open_batches)
    help_ = "Jobs of the oldest open batches by state."
    jobs = GaugeMetricFamily("reelqueue_batch_jobs", help_, labels=["batch", "state"])
    help_ = "Seconds since an open batch was made."
    ages = GaugeMetricFamily("reelqueue_batch_age_seconds", help_, labels=["batch"])
    for name, batch in {batch.name: batch for batch in told.batches}.items():
        ages.add_metric([name], max(0.0, (told.now - batch.created) / 1000))
        for state in State:
            jobs.add_metric([name, state], batch.states[state])
    yield from (jobs, ages)


def _window(told: Measures) -> Iterator[Metric]:
    yield _gauge("window_slots", "Tasks that may be at the provider at once.", told.window)
    yield _gauge("window_in_flight", "Tasks that may be at the provider now.", told.slots)
    free = max(0, told.window - told.slots)
    yield _gauge("window_free", "Tasks that may be sent now.", free)


def _behind(told: Measures) -> Iterator[Metric]:
    yield _gauge("poll_lag_seconds", "How late the oldest due poll is.", told.poll_lag)
    yield _gauge(
        "unsettled_ends",
        "Entries of the outbox, each of one or more endings to settle.",
        told.unsettled,
    )
    help_ = "Age of the oldest ending that is not settled."
    yield _gauge("oldest_unsettled_seconds", help_, told.unsettled_age)
    yield _gauge("set_aside_ends", "Endings that could not be settled.", told.aside)


def _standing(told: Measures) -> Iterator[Metric]:
    help_ = "Pauses in force, by whom and of what."
    pauses = GaugeMetricFamily("reelqueue_pauses", help_, labels=["by", "scope"])
    for (by, scope), number in told.pauses.items():
        pauses.add_metric([by, scope], number)
    yield pauses
    help_ = "Jobs with callbacks that could not be understood."
    yield _gauge("quarantined_jobs", help_, told.quarantined)
    yield _gauge("leader", "Whether a worker hands out work.", told.leads)
    yield _gauge("workers", "Workers that are alive.", told.workers)


def _provider(told: Measures) -> Iterator[Metric]:
    help_ = "Seconds of the HTTP exchanges with the provider, answered or not."
    name = "reelqueue_provider_request_duration_seconds"
    latency = HistogramMetricFamily(name, help_, labels=["road"])
    for road in ROADS:
        counts = [told.counted.get(f"bucket:{road}:{i}", 0) for i in range(len(BOUNDS) + 1)]
        bounds = [*map(str, BOUNDS), "+Inf"]
        seconds = told.counted.get(f"micros:{road}", 0) / 1_000_000
        latency.add_metric([road], list(zip(bounds, accumulate(counts), strict=True)), seconds)
    yield latency
    help_ = "HTTP exchanges by status; none: no usable answer."
    yield _counter("provider_answers", help_, ["road", "status"], _counted(told, "answer"))
    help_ = "Errors that the provider told of tasks, by its code; other: what is no code."
    yield _counter("provider_errors", help_, ["code"], _counted(told, "error"))


def _callbacks(told: Measures) -> Iterator[Metric]:
    help_ = "Deliveries to the callback door by what was done."
    counts = dict.fromkeys(OUTCOMES, 0) | _counted(told, "callback")
    yield _counter("callbacks", help_, ["outcome"], counts)


def _store(told: Measures) -> Iterator[Metric]:
    yield _gauge("store_memory_bytes", "Memory that the store uses.", told.memory)
    help_ = "Memory that the store may use; 0: no limit."
    yield _gauge("store_memory_limit_bytes", help_, told.memory_limit)


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(f"reelqueue_{name}", help_, float(value))


def _counted(told: Measures, kind: str) -> dict[str, int]:
    """Return what processes counted of a kind, by the values of the labels, colons between."""
    fields = (field.partition(":") for field in told.counted)
    return {rest: told.counted[f"{kind}:{rest}"] for head, _, rest in fields if head == kind}


def _counter(name: str, help_: str, labels: list[str], counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"reelqueue_{name}", help_, labels=labels)
    for values, number in sorted(counts.items()):
        family.add_metric(values.split(":"), number)
    return family
