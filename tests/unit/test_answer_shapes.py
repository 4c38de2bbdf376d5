"""One reader for acknowledgments, polls and callbacks in every shape (contract §3-§6, §17)."""

import pytest
from wire_samples import OTHER, OURS, answer, error, read, running, success

from tasks.wire.answer import Item, Kind, items


def kinds(found: list[Item]) -> list[tuple[str, str | None, str]]:
    return [(item.kind.value, item.task_uuid, item.code) for item in found]


GOOD = ("success", OURS, "")
FAILED = ("error", OURS, "timeoutProvider")
TIMEOUT = error("timeoutProvider")

SHAPES = {
    "flat": (success(), [GOOD]),
    "flat beside empty lists": (success(data=[], errors=[]), [GOOD]),
    "flat beside null lists": (success(data=None, errors=None, error=None), [GOOD]),
    "flat beside an empty error": (success(error={}), [GOOD]),
    "flat failure": (TIMEOUT, [FAILED]),
    "flat failure, no status": (
        {"code": "timeoutProvider", "message": "m", "taskUUID": OURS},
        [FAILED],
    ),
    "flat failure beside an empty list": (TIMEOUT | {"data": []}, [FAILED]),
    "flat nested failure": (
        {"status": "error", "taskUUID": OURS, "error": {"code": "timeoutProvider"}},
        [FAILED],
    ),
    "singular error": (
        {"error": {"code": "timeoutProvider", "message": "m"}, "taskUUID": OURS},
        [FAILED],
    ),
    "singular error of nobody": (
        {"error": {"code": "standardError"}, "data": []},
        [("error", None, "standardError")],
    ),
    "data": ({"data": [success()]}, [GOOD]),
    "data, one object": ({"data": success()}, [GOOD]),
    "errors": ({"errors": [TIMEOUT]}, [FAILED]),
    "errors, one object": ({"data": None, "errors": TIMEOUT}, [FAILED]),
    "both": ({"data": [success(OTHER)], "errors": [TIMEOUT]}, [("success", OTHER, ""), FAILED]),
    "list": ([success(), TIMEOUT], [GOOD, FAILED]),
    "nested error in data": (
        {"data": [{"taskUUID": OURS, "status": "error", "error": {"code": "timeoutProvider"}}]},
        [FAILED],
    ),
    "flat error in data": ({"data": [TIMEOUT]}, [FAILED]),
    "empty": ({"data": []}, []),
    "empty, with errors": ({"data": [], "errors": []}, []),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_a_body_gives_the_same_items(shape: str) -> None:
    body, expected = SHAPES[shape]
    assert kinds(read(body)) == expected


ITEMS = {
    "success": success(),
    "success without status": {k: v for k, v in success().items() if k != "status"},
    "success of taskType getResponse": success(taskType="getResponse"),
    "success without taskType": {k: v for k, v in success().items() if k != "taskType"},
    "success of all tokens spent": success(text=None, finishReason="length"),
    "no text, no status, but a reason": {
        "taskUUID": OURS,
        "text": None,
        "finishReason": "content_filter",
    },
    "empty text": {"taskUUID": OURS, "text": "", "finishReason": "unknown"},
    "an object as text": success(text={"answer": 1}),
    "an unknown status beside a text": success(status="succeeded"),
}
PENDING = {
    "acknowledgment": {"taskType": "textInference", "taskUUID": OURS},
    "processing": running(),
    "processing with text": running(text="A boat", finishReason=None),
    "processing with an error of a retry": running(error={"code": "providerError"}),
    "pending": running(status="pending"),
    "null text without status": {"taskUUID": OURS, "text": None},
    "getResponse": running(taskType="getResponse", progress=40),
    "an unknown status without a result": {"taskUUID": OURS, "status": "queued"},
    "an unknown status beside a text that is empty yet": running(status="queued", text=""),
}
OTHERS = {
    "authentication": {"taskType": "authentication", "connectionSessionUUID": OTHER},
    "an image": success(taskType="imageInference", imageUUID=OTHER),
    "no name and nothing else": {"cost": 1},
}


@pytest.mark.parametrize("name", ITEMS)
def test_an_item_with_a_result_is_a_success(name: str) -> None:
    (item,) = answer(ITEMS[name])
    assert item.kind is Kind.SUCCESS


@pytest.mark.parametrize("name", PENDING)
def test_an_item_that_only_names_its_task_is_processing(name: str) -> None:
    (item,) = answer(PENDING[name])
    assert (item.kind, item.task_uuid) == (Kind.PROCESSING, OURS)


@pytest.mark.parametrize("name", OTHERS)
def test_an_item_about_no_text_task_is_skipped(name: str) -> None:
    (item,) = answer(OTHERS[name])
    assert item.kind is Kind.OTHER


def test_an_error_without_a_code_is_unknown_and_keeps_its_words() -> None:
    (item,) = answer(errors=({"message": "Down.", "taskUUID": OURS},))
    assert (item.kind, item.code, item.message) == (Kind.ERROR, "unknownError", "Down.")


def test_a_parameter_that_is_a_list_does_no_harm() -> None:
    (item,) = answer(errors=(error("invalidSeed", parameter=["seed", "model"]),))
    assert item.code == "invalidSeed"


@pytest.mark.parametrize("code", ["rateLimitExceeded", "invalidTaskUUID", "standardError", "new"])
def test_an_error_of_the_poll_itself_is_not_of_the_task_it_asked_for(code: str) -> None:
    (item,) = answer(errors=(error(code, taskType="getResponse"),))
    assert item.about_poll


@pytest.mark.parametrize("code", ["timeoutProvider", "providerError", "promptBlocked"])
def test_a_failed_task_is_heard_even_under_the_task_type_of_the_poll(code: str) -> None:
    (item,) = answer(errors=(error(code, taskType="getResponse"),))
    assert not item.about_poll


@pytest.mark.parametrize("body", ["text", 7, None, True])
def test_a_body_that_is_neither_object_nor_list_is_refused(body: object) -> None:
    with pytest.raises(ValueError, match="neither an object nor a list"):
        items(body)
