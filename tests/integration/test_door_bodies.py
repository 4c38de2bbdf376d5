"""Bodies that are no results: unreadable, cut, too large, crowded. None is a 5xx, none is lost."""

import json
import socket
import time

import pytest
from door_driver import Door, read_answer, result, status

from tasks.job import OPEN, State
from webhooks.runware import MOST_BYTES

pytest_plugins = ("door_fixtures",)


MB = 1024 * 1024

UNREADABLE: dict[str, bytes] = {
    "empty": b"",
    "null": b"null",
    "number": b"1",
    "string": b'"x"',
    "empty object": b"{}",
    "empty list": b"[]",
    "empty data": b'{"data": []}',
    "cut short": b'{"taskUUID": "JOB", "te',
    "more after it": b'{"taskUUID": "JOB", "text": "x"} {}',
    "twice the same key": b'{"taskUUID": "JOB", "taskUUID": "JOB", "text": "x"}',
    "NaN": b'{"taskUUID": "JOB", "text": "x", "cost": NaN}',
    "endless number": b'{"taskUUID": "JOB", "text": "x", "seed": %s}' % (b"9" * 5000),
    "exponent beyond reason": b'{"taskUUID": "JOB", "text": "x", "cost": 1e99999999999999999999}',
    "number that no float holds": b'{"taskUUID": "JOB", "text": "x", "cost": 1e400}',
    "another type": b'{"taskUUID": "JOB", "taskType": "imageInference", "text": "x"}',
    "no task": b'{"taskType": "textInference", "text": "x"}',
    "task in capitals": b'{"taskType": "textInference", "taskUUID": "J0B", "text": "x"}',
    "task is a key of ours": b'{"taskUUID": "*:j:{}\\r\\n", "text": "x"}',
    "byte order mark": b'\xef\xbb\xbf{"taskUUID": "JOB", "text": "x"}',
    "UTF-16": '{"taskUUID": "x"}'.encode("utf-16"),
    "not UTF-8": b'{"taskUUID": "JOB", "text": "\xff"}',
    "lists in lists": b"[" * 100_000,
    "objects in objects": b'{"a":' * 30_000,
    "closed lists in lists": b"[" * 90 + b"]" * 90,
    "a hundred thousand items": b'{"data":[%s]}' % b",".join([b'{"taskUUID":1}'] * 100_000),
    "a million errors": b'{"errors":[%s]}' % b",".join([b"1"] * 1_000_000),
    "sixty-five items": b"[%s]"
    % b",".join(b'{"taskUUID":"JOB","text":"%d"}' % n for n in range(65)),
    "Celery's own": b'{"__type__": "datetime", "__value__": "x"}',
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_cannot_be_read_is_kept_and_the_job_polled(door: Door, kind: str) -> None:
    job = door.job()
    begun = time.monotonic()

    answer = door.post(job, UNREADABLE[kind].replace(b"JOB", job.encode()))

    assert (answer.status_code, answer.content) == (204, b"")
    assert time.monotonic() - begun < 2
    assert (door.quarantined(job), door.results(job)) == (1, 0)
    assert door.record(job).state in OPEN
    assert door.is_due(job)


@pytest.mark.parametrize("field", ["status", "taskType", "code", "cost", "text", "seed", "error"])
def test_a_field_of_the_wrong_type_is_no_fault_of_the_door(door: Door, field: str) -> None:
    job = door.job()

    odd = [door.post(job, {"taskUUID": job, field: value}) for value in ([], {}, [{}], True, -1)]

    assert {answer.status_code for answer in odd} == {204}


def test_fifty_megabytes_with_their_length_are_refused_unread(door: Door) -> None:
    job = door.job()
    begun = time.monotonic()

    answer = door.raw(door.head(job, f"Content-Length: {50 * MB}"), b"{" * 1000)

    assert status(answer) == 413
    assert time.monotonic() - begun < 4  # the rest, which was never sent, is waited for five
    assert door.is_due(job)
    assert door.results(job) == door.quarantined(job) == 0


def test_fifty_megabytes_in_chunks_are_refused_and_not_cut_to_fit(door: Door) -> None:
    job = door.job()
    chunk = b"%x\r\n%s\r\n" % (MB, b" " * MB)

    answer = door.stream([door.head(job, "Transfer-Encoding: chunked"), *[chunk] * 50])

    assert status(answer) == 413
    assert door.is_due(job)
    assert door.results(job) == door.quarantined(job) == 0


def test_a_result_just_below_the_limit_passes_in_chunks(door: Door) -> None:
    job = door.job()
    body = json.dumps(result(job, "x" * (MOST_BYTES - 300))).encode()
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(part), part)
        for part in (body[at : at + 100_000] for at in range(0, len(body), 100_000))
    )

    answer = door.raw(door.head(job, "Transfer-Encoding: chunked"), chunks, b"0\r\n\r\n")

    assert (status(answer), door.record(job).state) == (204, State.COMPLETED)


def test_a_body_shorter_than_its_length_is_not_kept(door: Door) -> None:
    job = door.job()
    body = json.dumps(result(job)).encode()  # whole JSON, so that only the length tells
    before = door.dump()

    with socket.create_connection(("127.0.0.1", door.port), timeout=10) as sock:
        sock.sendall(door.head(job, f"Content-Length: {len(body) + 1}") + body)
        sock.shutdown(socket.SHUT_WR)
        answer = read_answer(sock)

    assert status(answer) == 400
    assert door.dump() == before


def test_what_follows_a_body_is_not_part_of_it(door: Door) -> None:
    job = door.job()
    body = json.dumps(result(job)).encode()
    head = door.head(job, f"Content-Length: {len(body)}")

    answer = door.raw(head + body + b"GARBAGE\r\n\r\n", until_closed=True)

    assert status(answer) == 204
    assert answer.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 400" in answer
    assert door.record(job).state is State.COMPLETED


BROKEN_CHUNKS = {
    "no chunk size": b"zz\r\n{}\r\n0\r\n\r\n",
    "negative size": b"-1\r\n{}\r\n0\r\n\r\n",
    "size too small": b"1\r\n{}\r\n0\r\n\r\n",
    "bad trailer": b"2\r\n{}\r\n0\r\nno colon\r\n\r\n",
    "endless trailer": b"2\r\n{}\r\n0\r\n" + b"a: b\r\n" * 100_000 + b"\r\n",
    "endless extension": b"2;" + b"a" * 100_000 + b"\r\n{}\r\n0\r\n\r\n",
    "never ended": b"2\r\n{}\r\n",
    "ended in a chunk": b"ff\r\n{}",
}


@pytest.mark.parametrize("kind", BROKEN_CHUNKS)
def test_broken_chunks_are_a_bad_request_and_nothing_is_kept(door: Door, kind: str) -> None:
    job = door.job()
    before = door.dump()

    with socket.create_connection(("127.0.0.1", door.port), timeout=10) as sock:
        sock.sendall(door.head(job, "Transfer-Encoding: chunked") + BROKEN_CHUNKS[kind])
        sock.shutdown(socket.SHUT_WR)
        answer = read_answer(sock)

    assert status(answer) == 400
    assert door.dump() == before


def test_garbage_after_the_last_chunk_does_no_harm(door: Door) -> None:
    job = door.job()
    body = json.dumps(result(job)).encode()
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)

    answer = door.raw(
        door.head(job, "Transfer-Encoding: chunked") + chunks + b"\x00\xff\r\n\r\n",
        until_closed=True,
    )

    assert status(answer) == 204
    assert (door.record(job).state, door.quarantined(job)) == (State.COMPLETED, 0)
    assert door.lives()


def test_a_large_body_without_a_token_is_refused_unread(door: Door) -> None:
    head = door.head("", f"Content-Length: {4 * MB}", query="t=x")
    before = door.dump()

    assert status(door.raw(head, b"{")) == 401

    assert door.dump() == before
