"""What `reelqueue up` costs while there is nothing to do."""

import argparse
import time
from pathlib import Path

from benchmarks.figures import RESULTS, Figure, conclude
from benchmarks.processes import Meter, Product, Provider, StoreServer, place

SETTLING = 10.0
"""Seconds after the start before the clock runs."""


def main() -> None:
    """Measure every process of an idle `up` and conclude."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--settling", type=float, default=SETTLING)
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    with place() as here:
        store, provider = StoreServer(here), Provider(here, "lean")
        product = Product(here, store)
        product.take(provider, callbacks=True)
        up = product.up()
        time.sleep(given.settling)
        children = product.pids()
        meter = Meter({**children, "store": store.pid})
        begun = time.monotonic()
        time.sleep(given.seconds)
        spent, took = meter.read(), time.monotonic() - begun
        alive = up.code is None
    if not alive:
        raise RuntimeError("it did not stay up")
    flower = spent.pop("flower")
    figures = [
        Figure("all but Flower", 100 * sum(spent.values()) / took, 1, "% of a core", most=2),
        *(Figure(name, 100 * cpu / took, 1, "% of a core") for name, cpu in spent.items()),
        Figure("Flower", 100 * flower / took, 1, "% of a core"),
        Figure("all", 100 * (sum(spent.values()) + flower) / took, 1, "% of a core", most=2),
    ]
    conclude("idle", f"{given.seconds:g} s of `up` with nothing to do", figures, given.results)


if __name__ == "__main__":
    main()
