"""One door for all tests that do nothing to it; a test module takes it with `pytest_plugins`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from door_driver import Door
from store_driver import StoreServer


@pytest.fixture(scope="session")
def door(valkey: StoreServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """Give a running door over the shared store."""
    with Door(valkey.url, tmp_path_factory.mktemp("door")) as running:
        yield running


@pytest.fixture
def own_door(valkey: StoreServer, tmp_path: Path) -> Callable[..., Door]:
    """Give what starts a door of one's own over the shared store, to be used in `with`."""
    return lambda **options: Door(valkey.url, tmp_path, **options)
