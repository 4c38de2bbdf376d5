"""Following a capacity that changes: how much of what the provider could take was used."""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import manifest
from benchmarks.drain import queue_held, release
from benchmarks.figures import RESULTS, Figure, conclude, say
from benchmarks.processes import Product, Provider, StoreServer, await_true, place

STEPS = (20, 200, 50, 400)
"""Tasks that the provider takes at once, phase after phase."""
SETTLING = 30
"""Task latencies after a step from which on the second claim holds."""


@dataclass(frozen=True)
class Counted:
    """What the provider had counted at a moment."""

    at: float  # monotonic seconds
    done: int  # tasks that have ended
    accepted: int
    refused: int


@dataclass(frozen=True)
class Phase:
    """One capacity, from its step to the next."""

    capacity: int
    start: Counted
    settled: Counted
    end: Counted


def main() -> None:
    """Step through the capacities and conclude."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phase", type=float, default=300, help="length, in task latencies")
    parser.add_argument("--latency", type=float, default=2.0, help="seconds that a task takes")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    phases = measure(given.latency, given.phase)
    how = (
        f"capacity {' → '.join(map(str, STEPS))} in phases of {given.phase:g} latencies of "
        f"{given.latency:g} s, callbacks on, lean provider"
    )
    conclude("capacity", how, figures(phases, given.latency), given.results)


def measure(latency: float, length: float) -> list[Phase]:
    """Run all phases on one batch that outlasts them."""
    jobs = round(sum(STEPS) * length * 1.1) + 1000
    with place() as here:
        store = StoreServer(here)
        provider = Provider(here, "lean", "--latency", str(latency), "--capacity", str(STEPS[0]))
        product = Product(here, store)
        product.take(provider, callbacks=True)
        product.up()
        queue_held(product, manifest.write(here.folder / "clips.jsonl", jobs))
        release(store)
        await_true(lambda: provider.totals()["accepted"], 60, 0.01)
        return [_phase(provider, capacity, latency, length) for capacity in STEPS]


def _phase(provider: Provider, capacity: int, latency: float, length: float) -> Phase:
    provider.change(capacity=capacity)
    start = _counted(provider)
    settling = min(SETTLING, length / 2)
    time.sleep(settling * latency)
    settled = _counted(provider)
    time.sleep((length - settling) * latency)
    phase = Phase(capacity, start, settled, _counted(provider))
    used = _used(phase.settled, phase.end, capacity, latency)
    say(f"capacity {capacity}: {used:.3f} once settled")
    return phase


def _counted(provider: Provider) -> Counted:
    totals = provider.totals()
    done = totals["accepted"] - totals["running"]
    return Counted(time.monotonic(), done, totals["accepted"], totals["refused"])


def _possible(first: Counted, last: Counted, capacity: int, latency: float) -> float:
    return (last.at - first.at) * capacity / latency


def _used(first: Counted, last: Counted, capacity: int, latency: float) -> float:
    return (last.done - first.done) / _possible(first, last, capacity, latency)


def figures(phases: list[Phase], latency: float) -> list[Figure]:
    """Return the claims: all of the time, once settled, and how much was refused."""
    possible = sum(_possible(p.start, p.end, p.capacity, latency) for p in phases)
    first, last = phases[0].start, phases[-1].end
    worst = min(phases, key=lambda p: _used(p.settled, p.end, p.capacity, latency))
    each = [
        Figure(
            f"capacity {p.capacity}, once settled",
            p.end.done - p.settled.done,
            _possible(p.settled, p.end, p.capacity, latency),
            "tasks",
            least=0.97,
        )
        for p in phases
    ]
    refused, accepted = last.refused - first.refused, last.accepted - first.accepted
    say(f"least once settled: capacity {worst.capacity}")
    return [
        Figure("completed / possible", last.done - first.done, possible, "tasks", least=0.93),
        *each,
        Figure("refused / accepted", refused, accepted, "tasks", most=0.02),
    ]


if __name__ == "__main__":
    main()
