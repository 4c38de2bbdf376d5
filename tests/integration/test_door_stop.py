"""The door told to stop: quickly, and without losing what it accepted."""

import json
import signal
import socket
import threading
import time
from collections.abc import Callable

import pytest
from door_driver import Door, read_answer, result, status
from simulator_driver import wait_until

from tasks.job import State
from webhooks.gunicorn_worker import STOP_SECONDS

pytest_plugins = ("door_fixtures",)


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_a_request_that_was_accepted_is_finished_when_it_is_stopped(
    own_door: Callable[..., Door], kind: signal.Signals
) -> None:
    # On a busy machine it may take too long to hear that both processes know; then once more.
    assert any(finished_while_it_stops(own_door, kind) for _ in range(5))


def finished_while_it_stops(own_door: Callable[..., Door], kind: signal.Signals) -> bool:
    """Stop a door in the middle of a request; False where too late was heard that it stops."""
    with own_door() as door:
        job = door.job()
        body = json.dumps(result(job)).encode()
        with socket.create_connection(("127.0.0.1", door.port), timeout=10) as sock:
            sock.sendall(door.head(job, f"Content-Length: {len(body)}") + body[:20])
            assert door.lives()  # a request later, so the first is in a thread
            begun = time.monotonic()
            door.process.send_signal(kind)
            wait_until(lambda: _refuses(door.port))  # both processes know
            if time.monotonic() - begun > STOP_SECONDS / 2:
                return False
            sock.sendall(body[20:])
            assert status(read_answer(sock)) == 204
            door.process.wait(timeout=10)
        assert time.monotonic() - begun < 5
        assert (door.process.returncode, door.record(job).state) == (0, State.COMPLETED)
    return True


def _refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_it_stops_quickly_whatever_clients_do(own_door: Callable[..., Door]) -> None:
    with own_door() as door, door.connections(7) as stalled:
        head = door.head(door.job(), "Content-Length: 1000")
        for number, sock in enumerate(stalled):
            sock.sendall([b"", head[:9], head, head + b"{"][number % 4])
        assert door.lives()
        assert door.stop() < 5


def test_every_2xx_given_while_it_is_stopped_is_kept(own_door: Callable[..., Door]) -> None:
    with own_door() as door:
        jobs, told = iter([door.job() for _ in range(250)]), []

        def provider() -> None:
            while job := next(jobs, None):
                try:
                    told.append((job, door.post(job, result(job)).status_code))
                except OSError:  # of which requests' errors are
                    return

        threads = [threading.Thread(target=provider) for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(told) > 20)
        assert door.stop() < 5
        for thread in threads:
            thread.join(10)
        assert {code for _, code in told} == {204}
        assert {door.record(job).state for job, _ in told} == {State.COMPLETED}
