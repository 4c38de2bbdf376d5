"""One question to a provider that answers in pieces, late, wrongly, or not to the end."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from simulator_driver import Receiver
from store_driver import free_port
from wire_driver import HEAD, Script, Wire, answer_with, whole

from tasks import response as module
from tasks.errors import ProviderAway
from tasks.provider import Patience, Provider
from tasks.wire.stream import Event

UUID = "378ac79a-0546-4a6f-a20e-761d22ecfbd2"
SILENCE, TOTAL = Patience(silence=0.4, total=10), Patience(silence=10, total=0.8)
AMPLE = Patience(connect=10, silence=10, total=20)  # where an answer is wanted, however slow here
OPEN = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
CHUNKED = OPEN.replace(b"Connection: close", b"Transfer-Encoding: chunked")
HELLO = b'data: {"taskUUID":"%s","delta":{"text":"Hello"}}\n\n' % UUID.encode()
DONE = b"data: [DONE]\n\n"


@pytest.fixture
def serve() -> Iterator[Callable[[Script], Wire]]:
    open_: list[Wire] = []

    def start(script: Script) -> Wire:
        open_.append(Wire(script))
        return open_[-1]

    yield start
    for one in open_:
        one.close()


class Asked:
    """What came of one question."""

    def __init__(self, url: str, patience: Patience = AMPLE, *, streamed: bool = True) -> None:
        self.events: list[Event] = []
        self.away: ProviderAway | None = None
        began = time.monotonic()
        with closing(Provider(url, "secret-key", 1, patience)) as client:
            try:
                self.events += client.ask(b'{"a":1}', UUID, streamed=streamed)
            except ProviderAway as exc:
                self.away = exc
        self.seconds = time.monotonic() - began

    @property
    def last(self) -> Event:
        return self.events[-1]

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events)

    @property
    def is_whole(self) -> bool:
        return any(event.is_last for event in self.events)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def refusal(status: bytes, body: object) -> bytes:
    return whole(json.dumps(body).encode()).replace(b"200 OK", status)


@pytest.mark.parametrize("streamed", [True, False])
def test_one_task_goes_in_an_array_and_only_a_stream_is_asked_for_as_one(
    serve: Callable[[Script], Wire], *, streamed: bool
) -> None:
    wire = serve(answer_with(OPEN, HELLO, DONE))
    assert Asked(wire.url, streamed=streamed).text == "Hello"
    head, _, body = wire.requests[0].partition(b"\r\n\r\n")
    assert body == b'[{"a":1}]'
    assert b"Authorization: Bearer secret-key" in head
    assert (b"Accept: text/event-stream" in head) is streamed


def test_a_piece_is_told_before_the_next_one_comes(serve: Callable[[Script], Wire]) -> None:
    heard = threading.Event()

    def script(connection: socket.socket) -> None:
        connection.sendall(CHUNKED + chunk(HELLO))
        assert heard.wait(5)
        connection.sendall(chunk(DONE) + b"0\r\n\r\n")

    with closing(Provider(serve(script).url, "k", 1, Patience())) as client:
        told = client.ask(b"{}", UUID, streamed=True)
        assert next(told).text == "Hello"
        heard.set()
        assert [event.is_last for event in told] == [True]


def test_pieces_may_end_anywhere(serve: Callable[[Script], Wire]) -> None:
    body = HELLO.replace(b"Hello", "Grüße".encode()) + DONE
    wire = serve(answer_with(CHUNKED, *[chunk(body[n : n + 5]) for n in range(0, len(body), 5)]))
    asked = Asked(wire.url)
    assert (asked.text, asked.is_whole) == ("Grüße", True)


def test_after_done_nothing_is_waited_for(serve: Callable[[Script], Wire]) -> None:
    asked = Asked(serve(answer_with(OPEN + HELLO + DONE, every=5.0)).url)
    assert asked.is_whole
    assert asked.seconds < 4


@pytest.mark.parametrize(
    "script",
    [answer_with(OPEN, HELLO), answer_with(OPEN, HELLO, b'data: {"del')],
    ids=["after an event", "in an event"],
)
def test_a_stream_that_ends_without_done_is_not_whole(
    serve: Callable[[Script], Wire], script: Script
) -> None:
    asked = Asked(serve(script).url)
    assert (asked.text, asked.is_whole, asked.away) == ("Hello", False, None)


def test_a_connection_that_breaks_keeps_what_came(serve: Callable[[Script], Wire]) -> None:
    asked = Asked(serve(answer_with(CHUNKED, chunk(HELLO), b"ff\r\nda")).url)
    assert asked.text == "Hello"
    assert asked.away
    assert asked.away.sent
    assert "cut" in str(asked.away)


@pytest.mark.parametrize(
    ("script", "patience", "told"),
    [
        (answer_with(OPEN + HELLO, every=3.0), SILENCE, "silent for 0.4 s"),
        (answer_with(b"", every=3.0), SILENCE, "silent for 0.4 s"),
        (answer_with(OPEN, *[b": ping\n\n"] * 30, every=0.1), TOTAL, "not whole after 0.8 s"),
        (answer_with(OPEN + b"data: ", *[b" "] * 30, every=0.1), TOTAL, "not whole after 0.8 s"),
        (answer_with(CHUNKED, *[chunk(b":\n")] * 30, every=0.1), TOTAL, "not whole after 0.8 s"),
    ],
    ids=["silence", "no answer", "pings", "an endless line", "chunks"],
)
def test_waiting_has_an_end(
    serve: Callable[[Script], Wire], script: Script, patience: Patience, told: str
) -> None:
    asked = Asked(serve(script).url, patience)
    assert told in str(asked.away)
    assert asked.seconds < 2.5  # the scripts take three


def test_a_line_of_ten_megabytes_is_read(serve: Callable[[Script], Wire]) -> None:
    wire = serve(answer_with(OPEN, HELLO.replace(b"Hello", b"x" * 10_000_000), DONE))
    asked = Asked(wire.url, Patience())
    assert (len(asked.text), asked.is_whole) == (10_000_000, True)


def test_a_stream_above_the_cap_is_given_up(serve: Callable[[Script], Wire]) -> None:
    pieces = module.MOST_BYTES // 1_000_000 + 1
    asked = Asked(serve(answer_with(OPEN, HELLO, *[b" " * 1_000_000] * pieces)).url, Patience())
    assert "larger" in str(asked.away)
    assert asked.text == "Hello"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refusal(b"400 Bad", {"error": {"code": "invalidSeed"}, "taskUUID": UUID}), "invalidSeed"),
        (refusal(b"401 No", {"errors": [{"code": "invalidApiKey"}]}), "invalidApiKey"),
        (refusal(b"402 No", {"errors": [{"code": "quotaExceeded"}]}), "quotaExceeded"),
        (refusal(b"429 No", {"data": [], "errors": [{"code": "rateLimit"}]}), "rateLimit"),
        (refusal(b"503 No", {"errors": [{"code": "serviceUnavailable"}]}), "serviceUnavailable"),
        (refusal(b"200 OK", {"errors": [{"code": "inferenceError"}]}), "inferenceError"),
        (OPEN + b'\r\n {"error":\n{"code": "inferenceError"}}', "inferenceError"),
        (OPEN + HELLO + b'data: {"errors":[{"code":"timeoutProvider"}]}\n\n', "timeoutProvider"),
    ],
    ids=["400", "401", "402", "429", "503", "200", "JSON that says it is a stream", "inside"],
)
def test_a_refusal_in_any_place_and_form_is_an_error_with_its_code(
    serve: Callable[[Script], Wire], answer: bytes, code: str
) -> None:
    last = Asked(serve(answer_with(answer)).url).last
    assert last.error
    assert last.error.code == code


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (refusal(b"502 Bad", "page").replace(b'"page"', b"<html>"), "HTTP 502 with a body"),
        (refusal(b"200 OK", {"data": []}), "HTTP 200 with neither"),
        (refusal(b"200 OK", {"data": [{"taskUUID": UUID}]}), "HTTP 200 with neither"),
        (HEAD + b"Content-Length: 0\r\n\r\n", "HTTP 200 with a body"),
    ],
    ids=["a page", "nothing", "an acknowledgment", "no body"],
)
def test_what_is_neither_answer_nor_refusal_is_told(
    serve: Callable[[Script], Wire], answer: bytes, told: str
) -> None:
    away = Asked(serve(answer_with(answer)).url).away
    assert told in str(away)
    assert away
    assert away.sent


def test_an_answer_in_one_body_is_taken_for_the_stream(serve: Callable[[Script], Wire]) -> None:
    body = {"data": [{"taskUUID": UUID, "text": "Hello", "finishReason": "stop"}]}
    asked = Asked(serve(answer_with(refusal(b"200 OK", body))).url)
    assert (asked.text, asked.is_whole) == ("Hello", True)


def test_a_redirect_is_not_followed_and_the_key_stays_here(
    serve: Callable[[Script], Wire], receiver: Receiver
) -> None:
    head = b"HTTP/1.1 307 Elsewhere\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n"
    asked = Asked(serve(answer_with(head % receiver.url.encode())).url)
    assert "HTTP 307" in str(asked.away)
    assert receiver.bodies == []


def test_where_nobody_listens_nothing_was_sent_and_nothing_is_quoted() -> None:
    away = Asked(f"http://127.0.0.1:{free_port()}/v1").away
    assert away
    assert not away.sent
    assert "127.0.0.1" not in str(away)
    assert "secret-key" not in str(away)


def test_a_proxy_of_the_users_has_no_part_in_loopback(
    serve: Callable[[Script], Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    assert Asked(serve(answer_with(OPEN, HELLO, DONE)).url).text == "Hello"
