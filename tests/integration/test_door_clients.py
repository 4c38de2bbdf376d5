"""Slow clients and a stuck log: what they cost the door, and what they do not."""

import fcntl
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from door_driver import Door, read_answer, result, status

from tasks.job import State

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
    with door.connections(40) as stalled:
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
    with door.connections(24) as refused:
        for sock in refused:
            sock.sendall(b"no request\r\n\r\n")
            assert status(read_answer(sock)) == 400
        begun = time.monotonic()
        assert door.post(job, result(job)).status_code == 204
        assert time.monotonic() - begun < 2


def test_a_connection_serves_one_request_after_the_other(door: Door) -> None:
    jobs = [door.job() for _ in range(6)]
    with door.connections(1) as (sock,):
        for number, job in enumerate(jobs):
            body = json.dumps(result(job)).encode()
            time.sleep(0.05 * (number % 2))  # at once, and after its thread has left it
            sock.sendall(door.head(job, f"Content-Length: {len(body)}") + body)
            assert status(read_answer(sock)) == 204
    assert {door.record(job).state for job in jobs} == {State.COMPLETED}


def test_busy_connections_do_not_keep_the_threads_for_themselves(door: Door) -> None:
    forged, job, each = door.head("", "Content-Length: 0", query="t=x"), door.job(), 600
    with door.connections(48) as busy:
        for sock in busy:
            sock.sendall(forged * each)
        assert door.post(job, result(job)).status_code == 204
        left = 0
        for sock in busy:
            sock.setblocking(False)
            with suppress(BlockingIOError):
                left += each - sock.recv(1 << 20).count(b"HTTP/1.1 401")
        assert left > len(busy) * each / 2


def test_requests_that_come_together_are_all_answered(door: Door) -> None:
    forged, answers = door.head("", "Content-Length: 0", query="t=x"), b""
    with door.connections(1) as (sock,):
        sock.sendall(forged * 40)
        while answers.count(b"HTTP/1.1 401") < 40 and (more := sock.recv(1 << 20)):
            answers += more
    assert answers.count(b"HTTP/1.1 401") == 40
