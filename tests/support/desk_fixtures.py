"""A desk over a store and a simulator; a test module takes it with `pytest_plugins`."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from desk_driver import Desk
from simulator_driver import Simulator

from tasks.store import Store


@pytest.fixture
def desk(store: Store, simulator: Simulator, tmp_path: Path) -> Iterator[Desk]:
    """Give a desk whose folder is empty."""
    with ExitStack() as open_:
        yield Desk(store, simulator.v1, tmp_path.resolve(), open_)
