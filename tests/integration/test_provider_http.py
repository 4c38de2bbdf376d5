"""The provider client against servers that are slow, wrong, or would lead the key elsewhere."""

import gzip
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from simulator_driver import Receiver
from store_driver import free_port
from wire_driver import HEAD, Script, Wire, answer_with, whole

from tasks import response as module
from tasks.clock import passing
from tasks.errors import ProviderAway
from tasks.provider import Patience, Provider
from tasks.response import Answer

PATIENCE = Patience(connect=0.5, silence=0.4, total=0.8)
AMPLE = Patience(connect=10, silence=10, total=20)  # where an answer is wanted, however slow here


@pytest.fixture
def serve() -> Iterator[Callable[[Script], Wire]]:
    open_: list[Wire] = []

    def start(script: Script) -> Wire:
        open_.append(Wire(script))
        return open_[-1]

    yield start
    for one in open_:
        one.close()


def ask(url: str, patience: Patience = AMPLE) -> Answer:
    client = Provider(url, "secret-key", 2, patience)
    try:
        return client.submit([b'{"a":1}', b'{"b":2}'])
    finally:
        client.close()


def away(url: str) -> tuple[ProviderAway, float]:
    began = time.monotonic()
    with pytest.raises(ProviderAway) as caught:
        ask(url, PATIENCE)
    return caught.value, time.monotonic() - began


def test_tasks_go_as_one_array_with_their_own_bytes(serve: Callable[[Script], Wire]) -> None:
    wire = serve(answer_with(whole(b'{"data":[]}')))
    assert ask(wire.url) == Answer(200, (), "", None)
    head, _, body = wire.requests[0].partition(b"\r\n\r\n")
    assert body == b'[{"a":1},{"b":2}]'
    assert b"Authorization: Bearer secret-key" in head


@pytest.mark.parametrize(
    "script",
    [
        answer_with(HEAD, *[b"X: y\r\n"] * 100, every=0.1),
        answer_with(HEAD + b"Content-Length: 99\r\n\r\n", *[b" "] * 99, every=0.1),
        answer_with(HEAD + b"Connection: close\r\n\r\n", *[b" "] * 99, every=0.1),
        answer_with(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\n \r\n"] * 99, every=0.1),
        answer_with(b"", every=3.0),
    ],
    ids=["headers", "body", "body to the end", "chunks", "silence"],
)
def test_an_answer_that_drips_ends_at_the_total_deadline(
    serve: Callable[[Script], Wire], script: Script
) -> None:
    said, seconds = away(serve(script).url)
    assert said.sent
    assert seconds < 2.5  # the scripts take three and more


def test_an_answer_above_the_cap_is_given_up(serve: Callable[[Script], Wire]) -> None:
    piece = b" " * 1_000_000
    wire = serve(answer_with(HEAD + b"\r\n", *[piece] * 70))
    slow = Provider(wire.url, "secret-key", 2, Patience(total=20.0))
    with pytest.raises(ProviderAway, match="larger"):
        slow.submit([b"{}"])
    slow.close()


@pytest.fixture
def secured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Give a server's side of TLS, whose certificate is trusted here."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    asked = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    named = [
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run(
        [shutil.which("openssl") or "", *asked.split(), *named], check=True, capture_output=True
    )
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.needs("openssl", "openssl")
def test_over_tls_it_is_the_same(secured: ssl.SSLContext) -> None:
    wire = Wire(answer_with(whole(b'{"data":[]}')), secured)
    assert ask(wire.url.replace("http:", "https:")).status == 200
    wire.close()
    slow = Wire(answer_with(HEAD + b"\r\n", *[b" "] * 99, every=0.1), secured)
    said, seconds = away(slow.url.replace("http:", "https:"))
    slow.close()
    assert said.sent
    assert seconds < 5  # the script takes ten


def test_a_small_answer_that_unpacks_above_the_cap_is_given_up(
    serve: Callable[[Script], Wire],
) -> None:
    bomb = gzip.compress(b" " * (module.MOST_BYTES + 1), 9)
    wire = serve(answer_with(whole(bomb, b"Content-Encoding: gzip")))
    patient = Provider(wire.url, "secret-key", 2, Patience(total=20.0))
    with pytest.raises(ProviderAway, match="larger"):
        patient.submit([b"{}"])
    patient.close()


def test_a_packed_answer_is_read_whatever_its_pieces(serve: Callable[[Script], Wire]) -> None:
    packed = gzip.compress(b'{"data":[{"taskUUID":"u","text":"t","cost":0.1}]}')
    told = whole(packed, b"Content-Encoding: gzip")
    wire = serve(answer_with(*[told[n : n + 9] for n in range(0, len(told), 9)], every=0.005))
    (item,) = ask(wire.url).items
    assert item.cost == 100_000_000


def test_a_broken_packing_is_no_answer(serve: Callable[[Script], Wire]) -> None:
    said, _ = away(serve(answer_with(whole(b"no gzip", b"Content-Encoding: gzip"))).url)
    assert said.sent


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_the_key_stays_here(
    serve: Callable[[Script], Wire], receiver: Receiver, status: int
) -> None:
    head = b"HTTP/1.1 %d Elsewhere\r\nContent-Length: 0\r\nLocation: " % status
    wire = serve(answer_with(head + receiver.url.encode() + b"\r\n\r\n"))
    assert ask(wire.url).status == status
    assert receiver.bodies == []


@pytest.mark.parametrize("where", [b"http://[", b"\xff\xfe", b"//", b"/elsewhere"])
def test_a_redirect_to_nowhere_is_an_answer_like_any_other(
    serve: Callable[[Script], Wire], where: bytes
) -> None:
    head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % where
    assert ask(serve(answer_with(head)).url).status == 302


def test_the_body_of_a_redirect_is_bounded_as_any_other(
    serve: Callable[[Script], Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 100_000)
    packed = gzip.compress(b" " * 1_000_000)
    head = b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n"
    wire = serve(answer_with(head % len(packed) + b"\r\n" + packed))
    with pytest.raises(ProviderAway, match="larger than"):
        ask(wire.url)


def test_no_cookie_is_kept_or_sent_back(serve: Callable[[Script], Wire]) -> None:
    jar = b"".join(b"Set-Cookie: c%d=%s\r\n" % (n, b"x" * 1000) for n in range(20))
    body = b'{"data":[]}'
    wire = serve(answer_with(HEAD + jar + b"Content-Length: %d\r\n\r\n" % len(body) + body))
    client = Provider(wire.url, "secret-key", 2, AMPLE)
    for _ in range(2):
        client.poll(["a"])
    client.close()
    assert not any(b"Cookie" in request for request in wire.requests)


def test_a_page_instead_of_an_answer_is_told_as_a_problem(
    serve: Callable[[Script], Wire],
) -> None:
    told = ask(serve(answer_with(whole(b"<html>Bad gateway</html>"))).url)
    assert (told.status, told.items) == (200, ())
    assert "no answer" in told.problem


def test_a_cut_answer_is_no_answer(serve: Callable[[Script], Wire]) -> None:
    said, _ = away(serve(answer_with(HEAD + b'Content-Length: 50\r\n\r\n{"data":[')).url)
    assert said.sent


def test_a_closed_port_means_that_nothing_was_sent() -> None:
    said, _ = away(f"http://127.0.0.1:{free_port()}/v1")
    assert not said.sent


def test_what_comes_too_late_to_be_sent_does_not_leave_on_a_new_or_a_kept_connection(
    serve: Callable[[Script], Wire],
) -> None:
    def twice(connection: socket.socket) -> None:
        connection.sendall(whole(b'{"data":[]}'))
        connection.settimeout(0.3)
        late.append(connection.recv(1))

    late: list[bytes] = []
    for is_kept in (False, True):
        server = serve(twice)
        client = Provider(server.url, "secret-key", 1, AMPLE)
        if is_kept:
            client.submit([b"{}"])
        with pytest.raises(ProviderAway):
            client.submit([b'{"a":1}'], send_by=passing() - 0.001)
        client.close()
        assert len(server.requests) == is_kept
    assert b"".join(late) == b""


def test_a_name_that_nobody_has_means_that_nothing_was_sent() -> None:
    said, _ = away("http://nowhere.invalid/v1")
    assert not said.sent


def test_a_connection_closed_after_the_request_may_have_bought(
    serve: Callable[[Script], Wire],
) -> None:
    said, _ = away(serve(lambda _connection: None).url)
    assert said.sent


def test_a_connection_that_went_stale_between_two_requests_is_made_anew(
    serve: Callable[[Script], Wire],
) -> None:
    wire = serve(answer_with(whole(b'{"data":[]}')))  # which closes it without a word
    client = Provider(wire.url, "secret-key", 2, AMPLE)
    assert client.submit([b"{}"]).status == 200
    time.sleep(0.05)
    assert client.submit([b"{}"]).status == 200
    client.close()


def test_a_poll_on_a_kept_connection_that_was_closed_is_asked_again_and_a_submission_is_not(
    serve: Callable[[Script], Wire],
) -> None:
    wire = serve(lambda connection: connection.close())
    client = Provider(wire.url, "secret-key", 2, AMPLE)
    with pytest.raises(ProviderAway):
        client.poll(["a"])
    assert len(wire.requests) == 2
    with pytest.raises(ProviderAway):
        client.submit([b"{}"])
    assert len(wire.requests) == 3
    client.close()


def test_a_netrc_does_not_replace_the_key(
    serve: Callable[[Script], Wire], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    wire = serve(answer_with(whole(b'{"data":[]}')))
    ask(wire.url)
    assert b"Bearer secret-key" in wire.requests[0]


def test_sending_a_large_request_may_take_longer_than_connecting(
    serve: Callable[[Script], Wire],
) -> None:
    wire = serve(answer_with(whole(b'{"data":[]}')))
    patience = Patience(connect=0.5, silence=10, total=20)
    wire.reads_after = patience.connect * 1.4
    client = Provider(wire.url, "secret-key", 2, patience)
    assert client.submit([b" " * 8_000_000]).status == 200
    client.close()


@pytest.mark.parametrize(("text", "seconds"), [("7", 7.0), ("86400", 60.0), ("soon", None)])
def test_a_wait_that_the_provider_names_is_read_and_bounded(
    serve: Callable[[Script], Wire], text: str, seconds: float | None
) -> None:
    wire = serve(answer_with(whole(b"{}", b"Retry-After: " + text.encode())))
    assert ask(wire.url).retry_after == seconds


@pytest.mark.parametrize(("ahead", "seconds"), [(7, 7.0), (86_400, 60.0), (-7, 0.0)])
def test_a_wait_that_the_provider_names_as_a_date_is_that_from_its_own_clock(
    serve: Callable[[Script], Wire], ahead: int, seconds: float
) -> None:
    said = datetime(2031, 1, 1, 12, tzinfo=UTC)  # its clock need not be ours
    now, then = format_datetime(said, True), format_datetime(said + timedelta(seconds=ahead), True)
    head = f"Date: {now}\r\nRetry-After: {then}".encode()
    wire = serve(answer_with(whole(b"{}", head)))
    assert ask(wire.url).retry_after == seconds


@pytest.mark.parametrize("text", ["Wed, 99 Foo 2031 12:00:00 GMT", "01 Jan 99999 00:00 GMT", "-1"])
def test_a_wait_that_cannot_be_read_is_none(serve: Callable[[Script], Wire], text: str) -> None:
    wire = serve(answer_with(whole(b"{}", b"Retry-After: " + text.encode())))
    assert ask(wire.url).retry_after is None


def test_a_key_that_the_provider_sends_back_goes_no_further(
    serve: Callable[[Script], Wire],
) -> None:
    key = "rw-canary-0123456789abcdef"
    body = b'{"errors":[{"code":"invalidApiKey","message":"%s is no key"}]}' % key.encode()
    wire = serve(answer_with(whole(body)))
    client = Provider(wire.url, key, 2, AMPLE)
    (item,) = client.submit([b"{}"]).items
    (event,) = client.ask(b"{}", "any", streamed=False)
    client.close()
    assert event.error
    assert item.message == event.error.message == "*** is no key"
    assert "canary" not in str((item, event))


def test_a_short_key_may_be_a_word_of_an_answer(serve: Callable[[Script], Wire]) -> None:
    body = b'{"data":[{"taskUUID":"u","text":"any","finishReason":"stop"}]}'
    client = Provider(serve(answer_with(whole(body))).url, "any", 2, AMPLE)
    (item,) = client.submit([b"{}"]).items
    client.close()
    assert item.raw["text"] == "any"


def test_no_reason_quotes_the_key_or_the_address(serve: Callable[[Script], Wire]) -> None:
    said, _ = away(serve(lambda _connection: None).url)
    assert "secret-key" not in str(said)
    assert "127.0.0.1" not in str(said)
