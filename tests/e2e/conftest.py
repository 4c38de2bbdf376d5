"""One simulator and one running `up` for all tests that need no other."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from simulator_driver import Simulator
from stack_driver import Place, real, store_of, up
from stage_driver import Stage

QUICK = {
    "REELQUEUE_POLL_FIRST": "0.2",
    "REELQUEUE_POLL_MAX": "0.5",
    "REELQUEUE_RESOLVE_AFTER": "0.9",
    "REELQUEUE_WINDOW_START": "64",
}
"""Settings under which what takes minutes takes seconds."""


@pytest.fixture(scope="session")
def provider() -> Iterator[Simulator]:
    """Give a simulator that stands for the real service; it sells a UUID again if asked to."""
    running = Simulator("--latency", "0.3", "--remember", "never")
    yield running
    running.stop()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Give a place where nothing runs."""
    return Place(tmp_path)


@pytest.fixture(scope="session")
def running(provider: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Give a place where `up` runs, with callbacks, and polls as fast as it can."""
    here = Place(
        tmp_path_factory.mktemp("up"),
        **real(provider, REELQUEUE_POLL_FIRST="0.2", REELQUEUE_POLL_MAX="0.3"),
    )
    here.env["PUBLIC_URL"] = f"http://127.0.0.1:{here.ports[0]}"
    with up(here):
        yield here


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Give a running `up` and a simulator of its own, whose switches a test may change."""
    simulator = Simulator("--latency", "0.3")
    place = Place(tmp_path_factory.mktemp("stage"), **real(simulator, **QUICK))
    place.env["PUBLIC_URL"] = f"http://127.0.0.1:{place.ports[0]}"
    try:
        with up(place), Stage(simulator, place, store_of(place)) as shown:
            yield shown
    finally:
        simulator.stop()
