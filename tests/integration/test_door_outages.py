"""The store away in every way it can be: 503 in time, nothing twice, and back without help."""

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from door_driver import Door, result
from simulator_driver import wait_until
from store_driver import StoreServer, free_port, valkey_binary

from tasks.job import State

CENT = 10_000_000
IN_TIME = 2.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    with StoreServer(valkey_binary(), tmp_path_factory.mktemp("own")) as own:
        yield own


@pytest.fixture(scope="module")
def door(server: StoreServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with Door(server.url, tmp_path_factory.mktemp("door")) as running:
        yield running


def _timed(ask: Callable[[], int]) -> tuple[int, float]:
    begun = time.monotonic()
    return ask(), time.monotonic() - begun


def _assert_away_in_time(door: Door, job: str) -> None:
    for path, expected in ((None, 503), ("/healthz", 200), ("/readyz", 503)):
        begun = time.monotonic()
        answer = door.get(path) if path else door.post(job, result(job))
        assert time.monotonic() - begun < IN_TIME
        is_later = answer.headers.get("Retry-After") == "1"
        assert (answer.status_code, is_later) == (expected, expected == 503)


def _assert_back(door: Door, job: str) -> None:
    wait_until(lambda: door.post(job, result(job)).status_code == 204)
    assert door.get("/readyz").status_code == 200
    ended = door.record(job)
    assert (ended.state, ended.cost, door.results(job)) == (State.COMPLETED, CENT, 1)


def test_a_store_that_hangs_is_told_in_time_and_applies_the_write_once(
    door: Door, server: StoreServer
) -> None:
    job = door.job()
    server.send(signal.SIGSTOP)
    try:
        _assert_away_in_time(door, job)  # what was sent lies in the socket and is applied later
    finally:
        server.send(signal.SIGCONT)
    _assert_back(door, job)


def test_a_storm_while_the_store_hangs_is_answered_in_time(door: Door, server: StoreServer) -> None:
    job = door.job()
    server.send(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(48) as pool:
            posts = [
                pool.submit(_timed, lambda: door.post(job, result(job)).status_code)
                for _ in range(40)
            ]
            probes = [
                pool.submit(_timed, lambda: door.get("/healthz").status_code) for _ in range(7)
            ]
        answers = [post.result() for post in posts]
        healths = [probe.result() for probe in probes]
    finally:
        server.send(signal.SIGCONT)
    assert {status for status, _ in answers} == {503}
    assert {status for status, _ in healths} == {200}
    assert max(seconds for _, seconds in answers + healths) < IN_TIME
    _assert_back(door, job)


def test_a_store_killed_and_restarted_is_found_again(door: Door, server: StoreServer) -> None:
    job = door.job()
    server.stop(signal.SIGKILL)
    _assert_away_in_time(door, job)
    server.start()
    _assert_back(door, job)


def test_what_was_acknowledged_before_a_kill_is_there_after_it(
    door: Door, server: StoreServer
) -> None:
    jobs = [door.job() for _ in range(20)]
    assert {door.post(job, result(job)).status_code for job in jobs} == {204}
    server.stop(signal.SIGKILL)
    server.start()
    assert {door.record(job).state for job in jobs} == {State.COMPLETED}


def test_a_full_store_refuses_and_recovers(door: Door) -> None:
    job, client = door.job(), door.store.client
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1)
    try:
        _assert_away_in_time(door, job)
    finally:
        client.config_set("maxmemory", 0)
    assert door.results(job) == 0
    _assert_back(door, job)


def test_a_read_only_store_refuses_and_recovers(door: Door) -> None:
    job, client = door.job(), door.store.client
    client.replicaof("127.0.0.1", free_port())
    try:
        _assert_away_in_time(door, job)
    finally:
        client.replicaof("NO", "ONE")
    _assert_back(door, job)


def test_a_store_that_refuses_the_script_is_told_as_away(door: Door) -> None:
    job, key = door.job(), door.store.keys("job", "{}")
    wrong = key.format(job)
    door.store.client.rename(wrong, "aside")
    door.store.client.set(wrong, "no hash")

    answer = door.post(job, result(job))

    assert (answer.status_code, answer.content) == (503, b"")
    door.store.client.rename("aside", wrong)
    _assert_back(door, job)


@contextmanager
def _trickling(port: int) -> Iterator[tuple[int, threading.Event]]:
    """Relay to the store; its answers come a byte every half second."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def answers(store: socket.socket, client: socket.socket) -> None:
        while not over.is_set() and (data := store.recv(65536)):
            for byte in data:
                over.wait(0.5)
                client.sendall(bytes([byte]))
        client.shutdown(socket.SHUT_RDWR)

    def relay(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as store:
            threading.Thread(target=_quietly, args=(answers, store, client), daemon=True).start()
            while data := client.recv(65536):
                store.sendall(data)

    def serve() -> None:
        while not over.is_set():
            client, _ = listener.accept()
            threading.Thread(target=_quietly, args=(relay, client), daemon=True).start()

    threading.Thread(target=_quietly, args=(serve,), daemon=True).start()
    try:
        yield listener.getsockname()[1], over
    finally:
        over.set()
        listener.close()


def _quietly(work: Callable[..., None], *args: socket.socket) -> None:
    with suppress(OSError):
        work(*args)


def test_a_store_that_answers_by_the_byte_is_told_in_time(
    server: StoreServer, door: Door, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with _trickling(server.port) as (port, over):
        url = f"redis://127.0.0.1:{port}/0"
        with Door(url, tmp_path_factory.mktemp("trickle")) as slow:
            job = door.job()
            _assert_away_in_time(slow, job)
            over.set()
