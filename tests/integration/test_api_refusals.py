"""What the API refuses: every answer is JSON that says why, none is a 5xx, nothing is queued."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_driver import BEARER, TOKEN, Api, manifest, row, told
from door_driver import read_answer, status
from simulator_driver import ROOT, wait_until
from store_driver import StoreServer, free_port

from webhooks.api_spool import MOST_BYTES, MOST_LINE

ROUTES = [
    ("POST", "/v1/batches?name=films"),
    ("GET", "/v1/batches"),
    ("GET", "/v1/batches/films"),
    ("GET", "/v1/batches/films/results"),
    ("GET", "/v1/jobs/00000000-0000-4000-8000-000000000000"),
    ("GET", "/v1/nothing"),
]
WRONG = [
    None,
    "",
    "Bearer",
    f"Basic {TOKEN}",
    TOKEN,
    f"Bearer {TOKEN[:-1]}",
    f"Bearer {TOKEN}x",
    "Bearer \xe9\xff",
]


@pytest.fixture(scope="module")
def api(valkey: StoreServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with Api(valkey.url, tmp_path_factory.mktemp("api")) as running:
        running.store.marks.check("simulated", 64)
        yield running


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_the_token_nothing_is_told(api: Api, method: str, path: str) -> None:
    for wrong in WRONG:
        given = None if wrong is None else wrong.encode("latin-1")
        answer = api.ask(path, method, b"x" * 100, Authorization=given)
        assert told(answer) == (401, "unauthorized")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def test_the_token_is_asked_for_before_the_store_and_the_body(tmp_path: Path) -> None:
    with Api(f"redis://127.0.0.1:{free_port()}/0", tmp_path) as lonely:
        assert told(lonely.ask("/v1/batches", Authorization=None)) == (401, "unauthorized")
        head = b"POST /v1/batches?name=x HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n"
        assert status(lonely.raw(head)) == 401
        assert told(lonely.ask("/v1/batches")) == (503, "store_away")


def test_the_probes_and_what_is_nowhere_need_no_token(api: Api) -> None:
    assert (api.get("/healthz").text, api.get("/readyz").text) == ("ok\n", "ready\n")
    for path in ("/", "/v1", "/v1x/batches", "/webhooks/runware", "/v2/batches", "/%00", "/é"):
        assert told(api.ask(path, Authorization=None)) == (404, "not_found")


@pytest.mark.parametrize("path", ["/v1/batches/", "/v1/batches/a/b", "/v1/jobs", "/v1/%0a"])
def test_an_unknown_route_is_not_found(api: Api, path: str) -> None:
    assert told(api.ask(path)) == (404, "not_found")


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "BREW"])
def test_another_method_is_told_which_there_are(api: Api, method: str) -> None:
    for path in ("/v1/batches", "/v1/batches/films"):
        answer = api.ask(path, method)
        assert told(answer) == (405, "method_not_allowed")
        assert "GET" in answer.headers["Allow"]


def test_a_head_says_what_a_get_would_and_no_more(api: Api) -> None:
    assert api.submit("headed", manifest([row("a")])).status_code == 201
    for path in ("/v1/batches", "/v1/batches/headed", "/v1/batches/headed/results"):
        answer = api.ask(path, "HEAD")
        assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    "ref", ["nobody", "batch_00000000000000000000", "headed:rows", "*", "%00", "a" * 65, "a%0ab"]
)
def test_a_batch_that_is_not_there_is_not_found(api: Api, ref: str) -> None:
    for path in (f"/v1/batches/{ref}", f"/v1/batches/{ref}/results", f"/v1/batches?after={ref}"):
        assert told(api.ask(path)) == (404, "not_found")


@pytest.mark.parametrize("ref", ["x", "00000000-0000-4000-8000-000000000000", "*", "a" * 1000])
def test_a_job_that_is_not_there_is_not_found(api: Api, ref: str) -> None:
    assert told(api.ask(f"/v1/jobs/{ref}")) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("POST", "?name=x&max_cost=1", "max_cost is no parameter here: name, passenger"),
        ("POST", "?name=x&name=y", "name stands twice"),
        ("GET", "?before=x", "before is no parameter here: limit, after"),
        ("GET", "?limit=5&limit=6", "limit stands twice"),
        ("GET", "?=", " is no parameter here: limit, after"),
        ("GET", "/x?limit=5", "limit is no parameter here: none"),
    ],
)
def test_a_parameter_that_nobody_would_heed_is_refused(
    api: Api, method: str, path: str, said: str
) -> None:
    answer = api.ask(f"/v1/batches{path}", method)
    assert told(answer) == (400, "invalid_request")
    assert answer.json()["error"]["message"] == said


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "", "1e2", "\u0663", "9" * 1000])
def test_a_limit_that_is_none_is_refused(api: Api, limit: str) -> None:
    assert told(api.ask(f"/v1/batches?limit={limit}")) == (400, "invalid_request")


ID = "batch_0123456789abcdef0123"


@pytest.mark.parametrize(
    "name", ["", "a b", "a/b", "é", "x" * 65, "a:b", "a%00", "*", "-x", "..", ID]
)
def test_a_name_that_is_none_is_refused(api: Api, name: str) -> None:
    assert told(api.submit(name, manifest([row("a")]))) == (400, "invalid_request")


BAD = {
    "nothing": (b"", None),
    "blank lines": (b"\n\n  \n", None),
    "no JSON": (b"video,prompt\n", 1),
    "a list": (b"[]", 1),
    "cut": (manifest([row("a")]) + b'{"custom_id": "b", "vid', 2),
    "not UTF-8": (b'{"custom_id": "\xff"}', 1),
    "UTF-16": ('{"custom_id": "a"}'.encode("utf-16"), 1),
    "zeros": (b"\0" * 1000, 1),
    "twin keys": (b'{"custom_id": "a", "custom_id": "b", "prompt": "?"}', 1),
    "NaN": (b'{"custom_id": "a", "prompt": "?", "seed": NaN}', 1),
    "lists in lists": (b"[" * 200_000, 1),
    "deep columns": (b'{"prompt":"?","x":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001, 1),
    "an endless number": (b'{"prompt":"?","seed":' + b"9" * 100_000 + b"}", 1),
    "a lone surrogate as a key": (b'{"prompt":"?","\\ud800":1, "maxtokens": 3}', 1),
    "a twin custom_id": (manifest([row("a"), row("a")]), 2),
    "a wrong second row": (manifest([row("a"), row("b", maxTokens="many")]), 2),
    "a file of the user's": (manifest([row("a", video="clips/a.mp4")]), 1),
    "a file of the server's": (manifest([row("a", video="/etc/passwd")]), 1),
    "a file as a URL": (manifest([row("a", video="file:///etc/passwd")]), 1),
    "a file that exists here": (manifest([row("a", document="README.md")]), 1),
    "a host that cannot be read": (manifest([row("a"), row("b", video="https://[abc/7.mp4")]), 2),
    "a url that is not sent": (b'{"prompt": "?", "url": "https://[abc/7.mp4"}', 1),
    "a home folder": (manifest([row("a", image="~/a.png")]), 1),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_manifest_that_cannot_be_queued_is_told_line_by_line(api: Api, kind: str) -> None:
    data, line = BAD[kind]
    name = kind.replace(" ", "-").replace("'", "")

    answer = api.submit(name, data)

    assert told(answer) == (400, "invalid_manifest")
    error = answer.json()["error"]
    assert "/" not in error["message"].split("\n")[0]  # no path of the server's
    assert len(answer.content) < 10_000
    if line is not None:
        assert error["errors"][0].keys() == {"line", "column", "value", "problem"}
        assert {told["line"] for told in error["errors"]} == {line}
    assert told(api.ask(f"/v1/batches/{name}")) == (404, "not_found")


def test_only_the_first_of_many_errors_are_told(api: Api) -> None:
    answer = api.submit("many-errors", b"x\n" * 5000)
    assert told(answer) == (400, "invalid_manifest")
    assert len(answer.json()["error"]["errors"]) == 20


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": None},
        {"Content_Type": "application/json"},
        {"Content_Type": "multipart/form-data; boundary=x"},
        {"Content_Type": "text/plain; charset=utf-16"},
        {"Content_Encoding": "gzip"},
    ],
)
def test_another_type_or_encoding_is_refused(api: Api, headers: dict[str, str]) -> None:
    answer = api.submit("typed", manifest([row("a")]), **headers)
    assert told(answer) == (415, "unsupported_media_type")


def _head(*lines: str) -> bytes:
    own = ["POST /v1/batches?name=raw HTTP/1.1", "Host: x", "Content-Type: application/jsonl"]
    token = f"Authorization: {BEARER['Authorization']}"
    return "\r\n".join([*own, token, *lines, "", ""]).encode()


def test_a_body_that_says_it_is_too_large_is_refused_unread(api: Api) -> None:
    assert status(api.raw(_head(f"Content-Length: {MOST_BYTES + 1}"), b"{" * 1000)) == 413


def test_a_body_that_turns_out_too_large_or_with_too_long_a_line_is_refused(api: Api) -> None:
    chunked, step = _head("Transfer-Encoding: chunked"), b"100000\r\n%s\r\n"
    lines = step % (b"\n" * 0x100000)
    endless = [chunked, *[lines] * (MOST_BYTES // 0x100000 + 1)]
    assert status(api.stream(endless)) == 413
    one_line = [chunked, *[step % (b"x" * 0x100000)] * (MOST_LINE // 0x100000 + 1)]
    assert status(api.stream(one_line)) == 400
    assert list((api.data / "incoming").glob("*.jsonl")) == []


@pytest.mark.parametrize(
    "parts",
    [
        [_head("Content-Length: 1000"), b"{}"],
        [_head("Transfer-Encoding: chunked"), b"5\r\n{}\n{}\r\n"],
        [_head("Transfer-Encoding: chunked"), b"zz\r\n{}\r\n0\r\n\r\n"],
    ],
)
def test_a_body_that_does_not_come_whole_queues_nothing(api: Api, parts: list[bytes]) -> None:
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as sock:
        for part in parts:
            sock.sendall(part)
        sock.shutdown(socket.SHUT_WR)
        answer = read_answer(sock, until_closed=True)
    assert status(answer) == 400
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["type"] == "invalid_request"
    assert told(api.ask("/v1/batches/raw")) == (404, "not_found")


def test_a_slow_sender_holds_up_nobody(api: Api) -> None:
    with api.connections(6) as slow:
        for sock in slow:
            sock.sendall(_head("Content-Length: 1000") + b'{"custom')
        wait_until(lambda: len(list((api.data / "incoming").glob("*.jsonl"))) == 6)
        assert api.ask("/v1/batches").status_code == 200
        assert api.submit("meanwhile", manifest([row("a")])).status_code == 201


def test_clients_without_the_token_hold_no_thread_after_their_refusal(api: Api) -> None:
    head = b"POST /v1/batches?name=x HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n"
    with api.connections(96) as forging:
        for sock in forging:
            sock.sendall(head + b"x")
        begun = time.monotonic()
        assert api.ask("/healthz").status_code == 200
        assert time.monotonic() - begun < 4  # with the token each may hold one for five


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 100 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    ],
)
def test_what_is_no_request_is_told_in_json(api: Api, raw: bytes) -> None:
    head, _, body = api.raw(raw, until_closed=True).partition(b"\r\n\r\n")
    assert status(head) in {400, 414, 431}
    assert json.loads(body)["error"].keys() == {"type", "message"}


def test_no_log_line_holds_the_token_a_row_or_a_query(api: Api) -> None:
    api.submit("hushed", manifest([row("sesame-id", prompt="sesame prompt")]))
    api.submit("hushed", b"sesame row\n")
    api.ask("/v1/sesame-path?token=sesame-query")
    api.ask("/v1/batches", Authorization="Bearer sesame-token")
    wait_until(lambda: all(told in api.log.read_text() for told in ('"status":401', '"added":1')))
    assert "sesame" not in api.log.read_text()
    assert TOKEN not in api.log.read_text()


@pytest.mark.parametrize(
    "wrong",
    [
        {"REELQUEUE_API_TOKEN": ""},
        {"REELQUEUE_API_TOKEN": "sesame"},
        {"REELQUEUE_API_TOKEN": "sesame open " * 4},
        {"REELQUEUE_INSTALLATION_SECRET": ""},
        {"REDIS_URL": ""},
        {"REELQUEUE_API_PORT": "sesame"},
        {"REELQUEUE_DATA_DIR": "/proc/sesame"},
    ],
)
def test_a_wrong_setting_is_one_sentence_without_its_value(
    tmp_path: Path, wrong: dict[str, str]
) -> None:
    right = {
        "REELQUEUE_API_TOKEN": TOKEN,
        "REELQUEUE_INSTALLATION_SECRET": "i" * 64,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "REELQUEUE_DATA_DIR": str(tmp_path),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "webhooks.api"],
        cwd=ROOT,
        env={"REELQUEUE_ENV_FILE": os.devnull} | right | wrong,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("api: ")
    assert ended.stderr.count("\n") == 1
    assert "sesame" not in ended.stderr.replace("/proc/sesame", "")


def test_an_expectation_that_nobody_meets_is_the_requests_fault(api: Api) -> None:
    asked = b"GET / HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\n\r\n"
    head, _, body = api.raw(asked, until_closed=True).partition(b"\r\n\r\n")
    assert (status(head), json.loads(body)["error"]["type"]) == (417, "invalid_request")
