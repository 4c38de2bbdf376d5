"""Files to the media storage of a simulator process: once per content, whatever comes between."""

import hashlib
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from simulator_driver import Simulator, wait_until
from store_driver import free_port
from wire_driver import Script, Wire, answer_with, whole

from batches.contents import Unusable
from batches.row import LocalFile
from batches.sending import Pace, Stopped
from batches.uploads import Account, Uploads
from tasks.errors import Error
from tasks.provider import Provider
from tasks.store import Store

pytestmark = pytest.mark.one_store

QUICK = Pace(tries=3, first=0.02, most=0.05, ready=3.0, look=0.02, seldom=0.05, grace=0.1)
Open = Callable[..., Uploads]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path.resolve()


@pytest.fixture
def uploads(store: Store, simulator: Simulator, place: Path) -> Iterator[Open]:
    """Open uploads to the simulator, as one command does; they end with the test."""
    with ExitStack() as stack:

        def start(url: str = simulator.v1, most: int = 4, **pace: Any) -> Uploads:  # noqa: ANN401 - fields of Pace
            provider = Provider(url, "rw-test-key", 16)
            quick = Pace(**{**vars(QUICK), **pace})
            return stack.enter_context(Uploads(store, Account(provider, "us"), place, most, quick))

        yield start


def clip(place: Path, name: str = "a.mp4", content: bytes = b"frames of a video") -> LocalFile:
    (place / name).write_bytes(content)
    return LocalFile(place / name, len(content))


def send(uploads: Uploads, *files: LocalFile, after: int = 0) -> list[str]:
    """Upload rows of one file each; return their media UUIDs."""
    begun = [uploads.start({f"file:{file.path.name}": file}, after) for file in files]
    return [medium.media_uuid for one in begun for medium in one.result(20).values()]


def media(simulator: Simulator) -> dict[str, int]:
    """Return how often each medium was uploaded."""
    return {one["mediaUUID"]: one["uploads"] for one in simulator.truth("/media")["media"]}


def test_each_content_is_uploaded_once_whatever_its_names(
    uploads: Open, simulator: Simulator, place: Path
) -> None:
    files = [clip(place, f"{n}.mp4", b"content %d" % (n % 3)) for n in range(12)]
    opened = uploads()
    uuids = send(opened, *files)
    assert media(simulator) == dict.fromkeys(uuids, 1)
    assert len(set(uuids)) == 3
    assert (opened.tally.uploaded, opened.tally.known, opened.tally.failed) == (3, 9, 0)


def test_the_provider_has_the_files_own_bytes(
    uploads: Open, simulator: Simulator, place: Path
) -> None:
    content = bytes(range(256)) * 2000 + b"x"
    send(uploads(), clip(place, content=content))
    (one,) = simulator.truth("/media")["media"]
    assert (one["size"], one["source"]) == (len(content), "base64")
    assert one["sha256"] == hashlib.sha256(content).hexdigest()


def test_a_second_command_uploads_nothing_that_the_first_did(
    uploads: Open, simulator: Simulator, place: Path
) -> None:
    first = send(uploads(), clip(place))
    second = uploads()
    assert send(second, clip(place, "moved.mp4")) == first
    assert (second.tally.uploaded, second.tally.sent) == (0, 0)
    assert list(media(simulator).values()) == [1]


def test_two_commands_at_once_upload_a_content_once(
    uploads: Open, simulator: Simulator, place: Path
) -> None:
    simulator.change(media_delay=0.3)
    both, file = [uploads(), uploads()], clip(place)
    begun = [one.start({"file:a.mp4": file}) for one in both]
    uuids = {one.result(20)["file:a.mp4"].media_uuid for one in begun}
    assert media(simulator) == dict.fromkeys(uuids, 1)


def test_a_medium_that_is_not_ready_is_waited_for(
    uploads: Open, simulator: Simulator, place: Path
) -> None:
    simulator.change(media_delay=0.3)
    assert send(uploads(), clip(place)) == list(media(simulator))


def test_those_that_wait_to_be_ready_hold_back_no_other(
    uploads: Open, simulator: Simulator, place: Path
) -> None:
    simulator.change(media_delay=30)
    opened = uploads(most=1, ready=60.0)
    waiting = [opened.start({"file:x": clip(place, f"{n}", b"%d" % n)}) for n in range(2)]
    wait_until(lambda: len(media(simulator)) == 2)
    simulator.change(media_delay=0)
    assert send(opened, clip(place, "c.mp4", b"another"))
    assert not any(one.done() for one in waiting)


def test_a_medium_that_is_never_ready_fails_its_file_in_time(
    uploads: Open, simulator: Simulator, place: Path
) -> None:
    simulator.change(media_delay=60)
    with pytest.raises(Unusable, match=r"^a\.mp4 was not ready at the provider after 0\.2 s$"):
        send(uploads(ready=0.2), clip(place))


def test_a_command_that_was_stopped_while_a_medium_was_not_ready_does_not_upload_it_again(
    uploads: Open, simulator: Simulator, place: Path
) -> None:
    simulator.change(media_delay=0.5)
    with suppress(Stopped), uploads(ready=60.0, look=30.0) as first:
        begun = first.start({"file:a.mp4": clip(place)})
        wait_until(lambda: media(simulator))
    assert isinstance(begun.exception(0), Stopped)
    assert send(uploads(), clip(place)) == list(media(simulator))
    assert list(media(simulator).values()) == [1]


def test_a_file_that_is_refused_is_tried_once_and_named(
    uploads: Open, simulator: Simulator, place: Path
) -> None:
    simulator.change(media_max=5)
    before = simulator.totals()["posts"]
    with pytest.raises(Unusable, match=r"^a\.mp4 was refused by the provider: maxMediaSize"):
        send(uploads(), clip(place))
    assert simulator.totals()["posts"] == before + 1


def test_a_file_larger_than_a_request_may_be_is_told_so(
    uploads: Open, simulator: Simulator, place: Path
) -> None:
    simulator.change(max_body=1000)
    with pytest.raises(Unusable, match=r"^a\.mp4 is too large for the provider: maxBodySize"):
        send(uploads(), clip(place, content=b"x" * 2000))


def test_a_failure_that_may_pass_is_tried_again_and_then_is_the_files(
    uploads: Open, simulator: Simulator, place: Path
) -> None:
    simulator.change(media_fail="uploadFailed")
    with pytest.raises(Unusable, match=r"^a\.mp4 could not be uploaded: uploadFailed"):
        send(uploads(), clip(place))
    assert simulator.totals()["posts"] == QUICK.tries


@pytest.mark.parametrize("outage", ["503", "429", "html", "garbage", "refuse"])
def test_an_outage_that_passes_costs_time_and_no_file(
    uploads: Open, simulator: Simulator, place: Path, outage: str
) -> None:
    simulator.change(outage=outage)
    opened = uploads(tries=500)
    begun = opened.start({"file:a.mp4": clip(place)})
    wait_until(lambda: opened.tally.sent > 40)
    simulator.change(outage=None)
    assert begun.result(20)["file:a.mp4"].media_uuid in media(simulator)


@pytest.mark.parametrize("outage", ["503", "html"])
def test_an_outage_that_lasts_fails_no_file_but_ends_the_command(
    uploads: Open, simulator: Simulator, place: Path, outage: str
) -> None:
    simulator.change(outage=outage)
    with pytest.raises(Error, match=r"takes no files now: .* the same command goes on"):
        send(uploads(), clip(place))


def test_where_nobody_listens_the_command_ends(uploads: Open, place: Path) -> None:
    with pytest.raises(Error, match="takes no files now: the provider gave no answer"):
        send(uploads(f"http://127.0.0.1:{free_port()}/v1"), clip(place))


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"reject_key": True}, "is RUNWARE_API_KEY right"),
        ({"outage": "403"}, "is RUNWARE_API_KEY right"),
        ({"outage": "402"}, "the account needs credit"),
        ({"outage": "404"}, "is RUNWARE_BASE_URL right"),
        ({"outage": "301"}, "is RUNWARE_BASE_URL right"),
    ],
)
def test_what_would_refuse_every_file_ends_the_command_at_once(
    uploads: Open, simulator: Simulator, place: Path, change: dict[str, Any], hint: str
) -> None:
    simulator.change(**change)
    with pytest.raises(Error, match=hint) as caught:
        send(uploads(), clip(place))
    assert "rw-test-key" not in str(caught.value)
    assert simulator.totals()["posts"] <= 1


def test_an_upload_whose_answer_was_lost_is_found_not_repeated(
    uploads: Open, simulator: Simulator, place: Path
) -> None:
    simulator.change(transfer="cut")
    opened = uploads(tries=50)
    begun = opened.start({"file:a.mp4": clip(place)})
    wait_until(lambda: media(simulator))
    simulator.change(transfer=None)
    assert begun.result(20)["file:a.mp4"].media_uuid in media(simulator)


def test_a_file_that_changes_while_it_is_sent_is_told_and_never_stored(
    uploads: Open, place: Path
) -> None:
    wire = Gated(answer_with(whole(b"{}")))
    opened = uploads(wire.url)
    begun = opened.start({"file:a.mp4": clip(place, content=b"a" * 9_000_000)})
    wait_until(lambda: opened.tally.sent)
    with (place / "a.mp4").open("r+b") as file:
        file.seek(8_999_999)
        file.write(b"b")
    wire.gate.set()
    with pytest.raises(Unusable, match=r"^a\.mp4 changed while it was uploaded$"):
        begun.result(20)
    wire.close()
    assert wire.requests == []


class Gated(Wire):
    """A server that reads nothing until it may."""

    def __init__(self, script: Script) -> None:
        self.gate = threading.Event()
        super().__init__(script)

    def _answer(self, connection: Any) -> None:  # noqa: ANN401 - a socket
        self.gate.wait(20)
        super()._answer(connection)


def test_a_file_that_breaks_every_connection_fails_alone(uploads: Open, place: Path) -> None:
    nothing_known = answer_with(whole(b'{"data":[]}'))
    wire = Hasty(nothing_known)
    with pytest.raises(Unusable, match=r"^a\.mp4 could not be uploaded: the provider gave no"):
        send(uploads(wire.url, ready=15.0), clip(place, content=b"a" * 9_000_000))
    wire.close()


LARGE = 1_000_000


class Hasty(Wire):
    """A server that hangs up on what is large, as some proxies do."""

    def _answer(self, connection: Any) -> None:  # noqa: ANN401 - a socket
        head = b""
        while b"\r\n\r\n" not in head:
            head = connection.recv(2000, socket.MSG_PEEK)
        if int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]) > LARGE:
            connection.close()
        else:
            super()._answer(connection)


@pytest.mark.parametrize("reads_after", [0.0, 20.0], ids=["no answer", "takes nothing"])
def test_stopping_ends_at_once_and_what_is_uploaded_stays_so(
    uploads: Open, place: Path, reads_after: float
) -> None:
    done = send(uploads(), clip(place, "done.mp4", b"done"))
    hanging = Wire(lambda _connection: threading.Event().wait(20) and None)
    hanging.reads_after = reads_after
    with uploads(hanging.url) as first:
        begun = first.start({"file:b.mp4": clip(place, "b.mp4", b"b" * 9_000_000)})
        wait_until(lambda: hanging.requests or (reads_after and first.tally.sent))
    assert isinstance(begun.exception(0), Stopped)
    hanging.close()
    again = uploads()
    assert send(again, clip(place, "done.mp4", b"done")) == done
    assert again.tally.uploaded == 0


def test_a_placeholder_or_nonsense_is_never_taken_for_a_medium(uploads: Open, place: Path) -> None:
    body = b'{"data":[{"taskType":"mediaStorage","mediaUUID":"%s"}]}'
    for told in (b"1", b"", b"not-a-uuid"):
        odd = Wire(answer_with(whole(body % told)))
        with pytest.raises(Unusable, match="was not ready"):
            send(uploads(odd.url, ready=0.1), clip(place))
        odd.close()


def test_no_more_than_allowed_are_on_their_way_at_once(uploads: Open, place: Path) -> None:
    now, most, lock, full = 0, 0, threading.Lock(), threading.Event()

    def count(connection: Any) -> None:  # noqa: ANN401 - a socket
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
            if now == 3:
                full.set()
        full.wait(10)
        threading.Event().wait(0.02)  # in which a fourth would come
        with lock:
            now -= 1
        # Closed, or the next upload would meet a connection that has gone, and look for it.
        refused = whole(b'{"errors":[{"code":"invalidMedia"}]}', b"Connection: close")
        answer_with(refused)(connection)

    slow = Wire(count)
    opened = uploads(slow.url, most=3)
    files = [clip(place, f"{n}.mp4", b"content %d" % n) for n in range(12)]
    begun = [opened.start({"file:x": file}) for file in files]
    assert all(isinstance(one.exception(20), Unusable) for one in begun)
    assert most == 3
    slow.close()


def test_a_large_file_is_never_whole_in_memory(uploads: Open, place: Path) -> None:
    size = 50_000_000
    with (place / "large.mp4").open("wb") as file:
        file.truncate(size)
    got = 0

    def drain(connection: Any) -> None:  # noqa: ANN401 - a socket
        answer_with(whole(b'{"errors":[{"code":"invalidMedia"}]}'))(connection)

    wire = Draining(drain)
    opened = uploads(wire.url)
    tracemalloc.start()
    begun = opened.start({"file:large.mp4": LocalFile(place / "large.mp4", size)})
    assert isinstance(begun.exception(60), Unusable)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    got = wire.received
    wire.close()
    assert got > size * 4 / 3
    assert peak < 5_000_000


class Draining(Wire):
    """A server that reads a request without keeping it."""

    received = 0

    def _answer(self, connection: Any) -> None:  # noqa: ANN401 - a socket
        buffer = bytearray(1_000_000)
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(1000)
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            self.received = len(head.partition(b"\r\n\r\n")[2])
            while self.received < length:
                self.received += connection.recv_into(buffer)
            self._script(connection)


def test_uploads_that_cannot_begin_close_their_provider(store: Store, place: Path) -> None:
    class Watched(Provider):
        closed = False

        def close(self) -> None:
            self.closed = True
            super().close()

    (place / "media.sqlite").mkdir()
    provider = Watched("http://127.0.0.1:9/v1", "rw-test-key", 1)
    with pytest.raises(Error, match="the index of uploads"):
        Uploads(store, Account(provider, "us"), place, 1, QUICK)
    assert provider.closed
