"""What the door tells and logs of a request: nothing that the request was made of."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from door_driver import PATH, Door, result, status

pytest_plugins = ("door_fixtures",)


CANARY = "canary-in-the-text"


def _malformed(door: Door, job: str) -> dict[str, tuple[bytes, int]]:
    """Requests that the server cannot parse, and how each is answered."""
    target = f"{PATH}?{door.query(job)}".encode()

    def of(line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
        return b"\r\n".join([line, b"Host: x", *headers, b"", body])

    post = b"POST " + target + b" HTTP/1.1"
    return {
        "spaces in the line": (of(b"POST " + target + b" x HTTP/1.1"), 400),
        "version": (of(b"POST " + target + b" HTTP/9.9"), 400),
        "method": (of(b"p\x00st " + target + b" HTTP/1.1"), 400),
        "control characters": (of(b"POST " + target + b"\x1b[31m\x07 HTTP/1.1"), 400),
        "length and chunks": (of(post, b"Content-Length: 4", b"Transfer-Encoding: chunked"), 400),
        "two lengths": (of(post, b"Content-Length: 4", b"Content-Length: 5"), 400),
        "negative length": (of(post, b"Content-Length: -1"), 400),
        "wordy length": (of(post, b"Content-Length: 0x5"), 400),
        "folded header": (of(post, b"A: b", b" c: d"), 400),
        "space before colon": (of(post, b"Content-Length : 4"), 400),
        "unknown coding": (of(post, b"Transfer-Encoding: gzip"), 400),
        "unknown expectation": (of(post, b"Expect: " + target), 417),
        "many headers": (of(post, *[b"A%d: b" % n for n in range(150)]), 431),
        "long header": (of(post, b"A: " + b"b" * 20_000), 431),
        "long URL": (of(b"POST " + target + b"&x=" + b"y" * 5000 + b" HTTP/1.1"), 414),
        "script name": (of(post, b"SCRIPT_NAME: /x", b"Content-Length: 0"), 204),
        "schemes": (of(post, b"X-Forwarded-Proto: https", b"X-Forwarded-Ssl: off"), 204),
        "bad host": (of(post.replace(b"HTTP/1.1", b"HTTP/1.1\r\nHost: ]\x00["), b"A: b"), 400),
    }


def test_what_cannot_be_parsed_is_answered_without_a_word_about_it(door: Door) -> None:
    job = door.job()
    requests = _malformed(door, job)

    answers = {name: door.raw(sent) for name, (sent, _) in requests.items()}

    told = {name: status(answer) for name, answer in answers.items()}
    assert told == {name: expected for name, (_, expected) in requests.items()}
    assert all(answer.endswith(b"\r\n\r\n") for answer in answers.values())  # no body
    assert not [name for name, answer in answers.items() if b"html" in answer.lower()]


def test_no_token_no_body_and_no_control_character_is_logged(own_door: Callable[..., Door]) -> None:
    with own_door() as door:
        job = door.job()
        mac = door.query(job).rsplit("=", 1)[1]
        for sent, _ in _malformed(door, job).values():
            door.raw(sent)
        for body in (result(job, CANARY), {CANARY: 1}, CANARY.encode(), {"status": [CANARY]}):
            door.post(job, body)
            door.post(job, body, query=door.query(job) + CANARY)
        door.get(f"/%0d%0a{CANARY}%1b[31m?t={mac}")
        door.raw(door.head(job, "Transfer-Encoding: chunked"), CANARY.encode() + b"\r\n\r\n")
        door.post(job, b"x", headers={"Content-Encoding": CANARY})
    logged = door.log.read_text()
    assert not [secret for secret in (mac, mac[:12], CANARY, "&t=", "\x1b") if secret in logged]
    lines = logged.splitlines()
    assert len(lines) > 20
    assert all({"timestamp", "level", "event"} <= set(json.loads(line)) for line in lines)


def test_it_leaves_nothing_in_home_or_temporary_folders(own_door: Callable[..., Door]) -> None:
    # A short path: a socket's may have 107 characters, and pytest's folders have long names.
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        with own_door(env={"HOME": home, "TMPDIR": home}) as door:
            job = door.job()
            door.post(job, result(job))
        assert list(Path(home).rglob("*")) == []
        assert [path.name for path in door.log.parent.rglob("*")] == ["door.log"]
