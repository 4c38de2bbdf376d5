"""Slow clients and a stuck log: what they cost the door, and what they do not."""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from door_driver import Door, read_answer, result, status

pytest_plugins = ("door_fixtures",)


def test_a_log_that_nobody_reads_does_not_stop_it(
    own_door: Callable[..., Door], tmp_path: Path
) -> None:
    fifo = tmp_path / "stuck"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDWR)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    try:
        with own_door(log=str(fifo)) as door:
            for _ in range(300):
                assert door.post("", b"", query="t=x").status_code == 401
            job = door.job()
            assert door.post(job, result(job)).status_code == 204
    finally:
        os.close(reader)


def test_a_full_log_disk_does_not_stop_it(own_door: Callable[..., Door]) -> None:
    with own_door(log="/dev/full") as door:
        job = door.job()
        assert door.post(job, result(job)).status_code == 204
        assert door.raw(b"p\x00st / HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_clients_that_stall_are_cut_off_and_the_others_served(door: Door) -> None:
    head, job = door.head("", "Content-Length: 9", query="t=x"), door.job()
    with door.connections(24) as stalled:
        for number, sock in enumerate(stalled):
            sock.sendall(head[: 9 + number])

        assert door.post(job, result(job)).status_code == 204  # within the driver's 10 s
        assert {read_answer(sock) for sock in stalled} == {b""}


def test_connections_that_say_nothing_take_no_thread(door: Door) -> None:
    job = door.job()
    with door.connections(40):
        begun = time.monotonic()
        assert door.post(job, result(job)).status_code == 204
        assert time.monotonic() - begun < 3


def test_clients_that_keep_a_refused_connection_open_hold_nobody_up(door: Door) -> None:
    job = door.job()
    with door.connections(12) as refused:
        for sock in refused:
            sock.sendall(b"no request\r\n\r\n")
            assert status(read_answer(sock)) == 400
        begun = time.monotonic()
        assert door.post(job, result(job)).status_code == 204
        assert time.monotonic() - begun < 2
