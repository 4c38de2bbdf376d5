"""What is shown before anything is queued is what is sent, secrets and unknowns masked."""

import json
from pathlib import Path

from batches.budget import budget
from batches.preview import Place, previewed
from batches.row import Row, Rules, read_row
from tasks import ids
from tasks.claims import Claimed
from tasks.payload import compose
from tasks.reading_requests import Request
from tasks.token import Keyring
from tasks.wire.request import DEFAULT_MAX_TOKENS

SECRET = b"s" * 32
URL = "https://x.example/a.mp4"
CALLBACK = "https://me.example/webhooks/runware"


def row(**given: object) -> Row:
    return read_row(7, {"custom_id": "a", "prompt": "Où?", "video": URL, "maxTokens": 9, **given})[
        0
    ]


def test_a_row_of_a_known_batch_is_shown_in_the_bytes_that_are_sent() -> None:
    task_uuid = ids.job_id(SECRET, "batch_0", "a")
    job = Claimed(task_uuid, 1, "", "k", 0, task_uuid, 0, "batch_0")
    sent = compose(Request("a", row().body, {}), job, Keyring("x", {}), None)
    assert list(previewed([row()], 5, Place(None, SECRET, "batch_0"))) == [sent]


def test_what_is_not_known_yet_or_secret_says_so_in_its_place() -> None:
    (shown,) = map(json.loads, previewed([row()], 1, Place(CALLBACK, SECRET)))
    assert shown["taskUUID"] == "(derived from batch and custom_id when it is queued)"
    assert shown["webhookURL"] == f"{CALLBACK}?(token)"
    (shown,) = map(json.loads, previewed([row()], 1, Place()))
    assert "webhookURL" not in shown


def test_a_local_file_is_shown_as_the_upload_it_will_be(tmp_path: Path) -> None:
    names = ["é.mp4", "b.mp4"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "linked.mp4").symlink_to("b.mp4")
    given = {"custom_id": "a", "prompt": "x", "videos": [URL, *names, "linked.mp4"]}
    found, _ = read_row(1, given, Rules(roots=(tmp_path.resolve(),)))
    (shown,) = map(json.loads, previewed([found], 1, Place()))
    assert shown["inputs"]["videos"] == [
        URL,
        "(media UUID of é.mp4 when it is uploaded)",
        "(media UUID of b.mp4 when it is uploaded)",
        "(media UUID of linked.mp4 when it is uploaded)",
    ]


def test_under_a_limit_the_tokens_that_are_reserved_are_shown_as_they_are_sent() -> None:
    rows = [row(), row(maxTokens=None)]
    shown = map(json.loads, previewed(rows, 2, Place(), budget("1", None)))
    assert [task["settings"]["maxTokens"] for task in shown] == [9, DEFAULT_MAX_TOKENS]
    (shown_,) = map(json.loads, previewed(rows[1:], 1, Place()))
    assert "settings" not in shown_


def test_no_more_rows_are_read_than_are_shown() -> None:
    rows = iter([row(), row(), row()])
    assert len(list(previewed(rows, 2, Place()))) == 2
    assert len(list(rows)) == 1
