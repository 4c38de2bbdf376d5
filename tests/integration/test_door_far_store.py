"""A store that answers, but from far away: the door works with it, or says how far it is."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from door_driver import Door, result
from relay import Relay
from simulator_driver import wait_until
from stack_driver import Place, Up
from store_driver import StoreServer, valkey_binary

from console import ready

TRIES = 8
"""Each of the door's threads has connections of its own, and may have to warm them first."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    with StoreServer(valkey_binary(), tmp_path_factory.mktemp("own")) as own:
        yield own


@contextmanager
def _door(server: StoreServer, folder: Path, seconds: float) -> Iterator[Door]:
    with (
        Relay(server.port, seconds) as far,
        Door(f"redis://127.0.0.1:{far.port}/1", folder) as door,
    ):
        yield door


def _within(tries: int, ask: Callable[[], int], wanted: int) -> bool:
    return any(ask() == wanted for _ in range(tries))


@pytest.mark.parametrize("seconds", [0.1, 0.2])
def test_callbacks_are_taken_by_a_store_that_is_far_away(
    server: StoreServer, tmp_path: Path, seconds: float
) -> None:
    with _door(server, tmp_path, seconds) as door:
        jobs = [door.job() for _ in range(4)]
        taken = [
            _within(TRIES, lambda job=job: door.post(job, result(job)).status_code, 204)
            for job in jobs
        ]
        is_ready = _within(TRIES, lambda: door.get("/readyz").status_code, 200)
    assert (taken, is_ready) == ([True] * 4, True)


def test_a_connection_that_took_long_to_open_stays_for_the_next_request(
    server: StoreServer, tmp_path: Path
) -> None:
    with _door(server, tmp_path, 0.3) as door:  # half of the time is over once it is open
        job = door.job()
        answers = [door.post(job, result(job)).status_code for _ in range(TRIES)]
    assert answers[0] == 503
    assert 204 in answers


def test_a_store_that_is_too_far_away_is_told_as_such(server: StoreServer, tmp_path: Path) -> None:
    with _door(server, tmp_path, 0.45) as door:
        wait_until(lambda: "too slowly" in door.get("/readyz").text, 10)
        said = door.get("/readyz").text
        told = ready.is_ready(door.base)  # with which `up` ends
    for words in (said.strip(), str(told)):
        assert re.fullmatch(r"the store answers too slowly: [4-9]\d\d ms a round trip", words)


def test_up_works_with_a_store_that_is_far_away(server: StoreServer, tmp_path: Path) -> None:
    with Relay(server.port, 0.1) as far:
        up = Up(Place(tmp_path, REDIS_URL=f"redis://127.0.0.1:{far.port}/2"))
        try:
            up.await_ready()
        finally:
            up.close()
