from collections.abc import Callable, Iterator

import pytest
from simulator_driver import Receiver, Simulator


@pytest.fixture(scope="session")
def shared_process() -> Iterator[Simulator]:
    running = Simulator("--latency", "0")
    yield running
    running.stop()


@pytest.fixture
def simulator(shared_process: Simulator) -> Simulator:
    """Give a simulator that remembers nothing and finishes tasks at once."""
    shared_process.reset()
    return shared_process


@pytest.fixture
def start() -> Iterator[Callable[..., Simulator]]:
    """Start simulators of one's own, ended with the test."""
    started: list[Simulator] = []

    def start_one(*flags: str, env: dict[str, str] | None = None) -> Simulator:
        started.append(Simulator(*flags, env=env))
        return started[-1]

    yield start_one
    for one in started:
        if one.process.poll() is None:
            one.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    listening = Receiver()
    yield listening
    listening.close()
