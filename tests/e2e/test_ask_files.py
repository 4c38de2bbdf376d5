"""`reelqueue ask` about a file of this machine: it is uploaded, and asked about by its UUID."""

import base64
import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from simulator_driver import Simulator, wait_until
from stack_driver import Place, by_uuid, real
from terminal_driver import Terminal

CLIP = b"\0\0\0\x20ftypisom" + bytes(range(256)) * 1_000


@pytest.fixture(scope="module")
def service() -> Iterator[Simulator]:
    """Give a simulator that stands for the real service."""
    running = Simulator("--latency", "0")
    yield running
    running.stop()


@pytest.fixture
def desk(service: Simulator, tmp_path: Path) -> Iterator[Place]:
    """Give a place with a key and two files."""
    service.reset()
    place = Place(tmp_path, **real(service))
    (place.cwd / "my clip.mp4").write_bytes(CLIP)
    (place.cwd / "empty.mp4").touch()
    yield place
    service.change(media_delay=0, media_fail=None)


@pytest.mark.parametrize("delay", [0, 1])
def test_the_file_is_uploaded_and_asked_about_once_it_is_ready(
    delay: int, desk: Place, service: Simulator
) -> None:
    service.change(media_delay=delay)
    clip = ("--video", str(desk.cwd / "my clip.mp4")) if delay else ("--video", "my clip.mp4")
    done = desk.run("ask", "What happens?", *clip, "--image", "https://a.test/b.jpg")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("uploading my clip.mp4\n")
    (medium,) = service.truth("/media")["media"]
    assert (medium["sha256"], medium["size"]) == (sha256(CLIP).hexdigest(), len(CLIP))
    (task,) = by_uuid(service).values()
    (submission,) = service.truth(f"/{task['taskUUID']}")["submissions"]
    sent = json.loads(base64.b64decode(submission["body_base64"]))
    assert sent["inputs"] == {"videos": [medium["mediaUUID"]], "images": ["https://a.test/b.jpg"]}
    assert not desk.data.exists()


def test_where_the_file_is_refused_the_question_is_not_sent(
    desk: Place, service: Simulator
) -> None:
    service.change(media_fail="maxMediaSizeExceeded")
    done = desk.run("ask", "What happens?", "--video", "my clip.mp4", "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert not told["complete"]
    assert "my clip.mp4 was refused by the provider: maxMediaSizeExceeded" in told["error_message"]
    assert done.stderr.rstrip().endswith("The question was not sent.")
    assert by_uuid(service) == {}


def test_an_upload_that_is_interrupted_sends_no_question(desk: Place, service: Simulator) -> None:
    service.change(media_delay=60)
    with Terminal(desk, "ask", "What happens?", "--video", "my clip.mp4") as asking:
        wait_until(lambda: service.totals()["polls"] > 0)
        asking.type("\x03")
        wait_until(asking.ended)
        assert asking.process.returncode == 130
        assert "interrupted. Nothing was sent." in asking.seen()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nothing.mp4", "--video ('nothing.mp4'): no such file: nothing.mp4\n"),
        ("empty.mp4", "--video ('empty.mp4'): is an empty file\n"),
        (".", "--video ('.'): is a folder\n"),
    ],
)
def test_what_is_no_file_to_send_is_told_before_anything_is(
    name: str, told: str, desk: Place, service: Simulator
) -> None:
    done = desk.run("ask", "What happens?", "--video", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(told)
    assert service.totals()["posts"] == 0
