"""What answers of the media storage mean for an upload, whatever their shape."""

from typing import Any

import pytest

from batches.contents import Unusable
from batches.storing import Said, judged, polled
from tasks.errors import Error
from tasks.response import Answer
from tasks.wire.answer import items, parse
from tasks.wire.media import stored
from tasks.wire.request import dumps

OURS = "8df2e495-3070-43bc-97db-789e0448e3e2"
THEIRS = "c2c2dc2e-aa5d-49ad-9b92-ed715e8d290e"
MEDIUM = "7D1E3A52-6a0f-4a0f-8d52-3b1f3c1f9a11"


def answer(body: Any, status: int = 200, retry_after: float | None = None) -> Answer:  # noqa: ANN401 - any JSON
    return Answer(status, tuple(items(parse(dumps(body)))), "", retry_after)


def said(body: Any, status: int = 200) -> Said:  # noqa: ANN401 - any JSON
    told = answer(body, status)
    return judged(told, stored(told.items, OURS))


def item(**fields: object) -> dict[str, object]:
    return {"taskType": "mediaStorage", "taskUUID": OURS, "operation": "upload", **fields}


def wrong(code: str, **fields: object) -> dict[str, Any]:
    return {"errors": [{"code": code, "message": "no", "taskUUID": OURS, **fields}]}


@pytest.mark.parametrize(
    "body",
    [
        {"data": [item(mediaUUID=MEDIUM, mediaURL="https://im.runware.ai/x.mp4")]},
        {"data": [{"taskType": "authentication"}, item(mediaUUID=MEDIUM)]},
        {"data": [item(mediaUUID=MEDIUM, status="success")], "errors": []},
        {"data": [item(mediaUUID=MEDIUM)], "errors": [{"code": "x", "taskUUID": THEIRS}]},
        item(mediaUUID=MEDIUM),
    ],
)
def test_a_medium_is_found_in_every_shape(body: object) -> None:
    assert said(body) == Said(MEDIUM)


@pytest.mark.parametrize(
    "body",
    [
        {"data": [item(mediaUUID="1")]},
        {"data": [item()]},
        {"data": []},
        {"data": [item(mediaUUID=None, status="processing")]},
        {"data": [item(mediaUUID=7)]},
        {"data": [item(taskUUID=THEIRS, mediaUUID=MEDIUM)]},
        wrong("conflictTaskUUID"),
    ],
)
def test_what_names_no_medium_of_ours_is_waited_for(body: object) -> None:
    assert said(body) == Said(waits=True)


@pytest.mark.parametrize(
    ("code", "status", "of_the_file"),
    [
        ("uploadFailed", 200, True),
        ("downloadFailed", 400, True),
        ("internalServerError", 500, False),
        ("rateLimitExceeded", 429, False),
        ("anythingAtAll", 503, False),
    ],
)
def test_what_may_pass_is_tried_again(code: str, status: int, of_the_file: bool) -> None:  # noqa: FBT001 - a parameter
    told = said(wrong(code), status)
    assert (told.waits, told.of_the_file) == (False, of_the_file)
    assert told.reason == f"{code}: no"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("invalidMedia", 400),
        ("invalidMedia", 200),
        ("maxMediaSizeExceeded", 413),
        ("contentPolicyViolation", 400),
        ("somethingNew", 400),
    ],
)
def test_what_refuses_a_file_is_believed(code: str, status: int) -> None:
    with pytest.raises(Unusable, match=code):
        said(wrong(code), status)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (wrong("invalidApiKey"), 200),
        (wrong("insufficientCredits"), 400),
        ({"data": []}, 401),
        ({"data": []}, 402),
        ({"data": []}, 403),
        ({"data": []}, 302),
        ({"data": []}, 404),
    ],
)
def test_what_would_refuse_every_file_is_no_fault_of_one(body: object, status: int) -> None:
    with pytest.raises(Error, match="takes no files"):
        said(body, status)


@pytest.mark.parametrize("status", [200, 503])
def test_an_answer_that_cannot_be_read_is_none(status: int) -> None:
    told = judged(
        Answer(status, (), "HTTP 200 with a body that is no answer", 7.0), stored([], OURS)
    )
    assert told.reason
    assert not told.waits


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({"data": [item(mediaUUID=MEDIUM, status="success")]}, 200, Said(MEDIUM)),
        ({"data": [item(mediaUUID="1", status="processing")]}, 200, Said(waits=True)),
        ({"data": []}, 200, Said()),
        (wrong("taskNotFound"), 200, Said()),
        (wrong("invalidApiKey"), 401, None),
        (wrong("rateLimitExceeded"), 429, None),
        (wrong("uploadFailed"), 200, Said(reason="uploadFailed: no", of_the_file=True)),
    ],
)
def test_a_poll_tells_of_an_upload_or_knows_none_or_is_no_answer(
    body: object, status: int, expected: Said | None
) -> None:
    told = answer(body, status)
    assert polled(told, stored(told.items, OURS)) == expected


def test_a_poll_that_refuses_the_file_is_believed() -> None:
    told = answer(wrong("invalidMedia"))
    with pytest.raises(Unusable, match="invalidMedia"):
        polled(told, stored(told.items, OURS))


def test_a_code_without_a_message_is_told_without_a_colon() -> None:
    told = answer(wrong("uploadFailed", message=""))
    assert polled(told, stored(told.items, OURS)) == Said(reason="uploadFailed", of_the_file=True)
    refused = answer(wrong("invalidMedia", message=""))
    with pytest.raises(Unusable, match=r"invalidMedia$"):
        polled(refused, stored(refused.items, OURS))
