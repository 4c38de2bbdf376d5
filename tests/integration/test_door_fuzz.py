"""Anything over HTTP: never a 5xx but from the store, never a redirect, and the door lives on."""

import json
from collections.abc import Callable
from typing import Any

from door_driver import PATH, Door, result, status
from hypothesis import given, settings
from hypothesis import strategies as st

pytest_plugins = ("door_fixtures",)


ALLOWED = {204, 400, 401, 404, 405, 413, 414, 415, 417, 431}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["taskUUID", "text", "x"]) | st.text(max_size=4), inner)
    ),
    max_leaves=8,
)
KEYS = ["taskType", "taskUUID", "status", "text", "cost", "seed", "finishReason"]
KEYS += ["code", "message", "error", "data", "errors"]
WORDS = ["textInference", "error", "success", "processing", "length"]
FIELDS = st.dictionaries(st.sampled_from(KEYS), JSON | st.sampled_from(WORDS))
SHAPES = st.sampled_from(
    [
        lambda item: item,
        lambda item: [item, item],
        lambda item: {"data": [item]},
        lambda item: {"errors": [item]},
        lambda item: {"data": item, "errors": item, "error": item},
    ]
)
HEADERS = ["Host", "Content-Type", "Content-Encoding", "Transfer-Encoding", "Content-Length"]
HEADERS += ["Expect", "Connection", "Upgrade", "Range", "X-Forwarded-For", "X-Forwarded-Proto"]
HEADERS += ["X-HTTP-Method-Override", "SCRIPT_NAME", "Cookie", "Origin"]
USUAL = [b"chunked", b"identity", b"gzip", b"0", b"5", b"99999999999", b"close", b"h2c"]
VALUES = st.binary(max_size=30) | st.sampled_from([*USUAL, b"100-continue"])


quickly = settings(max_examples=max(100, settings().max_examples))


@quickly
@given(fields=FIELDS, shape=SHAPES, named=st.booleans())
def test_any_json_under_a_valid_token_is_taken(
    door: Door, fields: dict[str, Any], shape: Callable[[object], object], *, named: bool
) -> None:
    job = door.job()
    item = {**result(job), **fields} if named else fields

    answer = door.post(job, shape(item))

    assert answer.status_code in {204, 401}
    assert answer.content == b""


@quickly
@given(body=st.binary(max_size=200), query=st.binary(max_size=80), valid=st.booleans())
def test_any_bytes_are_answered(door: Door, body: bytes, query: bytes, *, valid: bool) -> None:
    own = (door.query(door.job()).encode() + b"&" if valid else b"") + query
    head = b"POST " + PATH.encode() + b"?" + own + b" HTTP/1.1\r\nHost: x\r\nContent-Length: "

    answer = door.raw(head + str(len(body)).encode() + b"\r\n\r\n" + body)

    assert status(answer) in ALLOWED


@quickly
@given(headers=st.lists(st.tuples(st.sampled_from(HEADERS), VALUES), max_size=5))
def test_any_headers_are_answered(door: Door, headers: list[tuple[str, bytes]]) -> None:
    job = door.job()
    body = json.dumps(result(job)).encode()
    lines = [name.encode() + b": " + value for name, value in headers]
    length = b"Content-Length: " + str(len(body)).encode()
    head = door.head(job).removesuffix(b"\r\n") + b"\r\n".join([length, *lines, b"", b""])

    answer = door.raw(head + body)

    assert status(answer) in ALLOWED | {100}
    assert b"location" not in answer.lower()
