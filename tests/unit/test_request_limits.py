"""Each field and limit of the model page, on both sides (contract §2)."""

from decimal import Decimal

import pytest
from pydantic import ValidationError
from wire_samples import OURS, request

from tasks.wire.request import TextInference, UnknownThinkingLevel


def accepts(**fields: object) -> TextInference:
    return TextInference(**request(**fields))


def refuses(**fields: object) -> str:
    with pytest.raises(ValidationError) as caught:
        TextInference(**request(**fields))
    return str(caught.value)


def test_the_smallest_request_has_the_defaults_of_the_model_page() -> None:
    task = accepts()
    assert (task.taskType, task.model) == ("textInference", "google:gemini@3.1-pro")
    assert (task.deliveryMethod, task.numberResults) == ("sync", 1)
    assert (task.includeCost, task.includeUsage) == (False, False)


@pytest.mark.parametrize(
    "uuid",
    [
        "{378ac79a-0546-4a6f-a20e-761d22ecfbd2}",
        "urn:uuid:378ac79a-0546-4a6f-a20e-761d22ecfbd2",
        OURS.upper(),
        OURS.replace("-", ""),
        "\uff13" + OURS[1:],  # a full-width digit, which uuid.UUID takes
        "378ac79a-0546-1a6f-a20e-761d22ecfbd2",  # version 1
        "378ac79a-0546-4a6f-c20e-761d22ecfbd2",  # another variant
        f"{OURS}\n",
        f" {OURS}",
        "",
        7,
        None,
    ],
)
def test_a_task_uuid_in_any_other_spelling_is_refused(uuid: object) -> None:
    refuses(taskUUID=uuid)


@pytest.mark.parametrize("missing", ["taskUUID", "messages"])
def test_a_required_field_cannot_be_missing(missing: str) -> None:
    fields = request()
    del fields[missing]
    with pytest.raises(ValidationError, match=missing):
        TextInference(**fields)


GOOD = [
    *(("numberResults", 1), ("numberResults", 4)),
    *(("seed", 0), ("seed", 4_294_967_295)),
    *(("includeCost", True), ("includeUsage", True)),
    *(("deliveryMethod", word) for word in ("sync", "async", "stream")),
    *(("webhookURL", "https://hooks.example/rw?t=1"), ("webhookURL", "http://127.0.0.1:9/x")),
]
BAD = [
    *(("numberResults", bad) for bad in (0, 5, True, "2", 1.5, None)),
    *(("seed", bad) for bad in (-1, 4_294_967_296, True, "7", 1.5)),
    *(("includeCost", bad) for bad in ("true", 1)),
    *(("includeUsage", bad) for bad in ("true", 1)),
    *(("deliveryMethod", bad) for bad in ("batch", "ASYNC", 1)),
    *(("webhookURL", bad) for bad in ("ftp://a/b", "hooks.example", "https://", "https://a b/c")),
    *(("model", bad) for bad in ("google:gemini@3.0", "google:gemini@3.1-Pro", None, ["x"])),
    *(("taskType", bad) for bad in ("imageInference", None)),
    *(("prompt", "x"), ("temperature", 0.5), ("maxTokens", 5)),  # they stand elsewhere
]


@pytest.mark.parametrize(("field", "value"), GOOD)
def test_a_field_within_its_limits_passes(field: str, value: object) -> None:
    assert getattr(accepts(**{field: value}), field) == value


@pytest.mark.parametrize(("field", "value"), BAD)
def test_a_field_outside_its_limits_is_refused_by_name(field: str, value: object) -> None:
    assert field in refuses(**{field: value})


GOOD_SETTINGS = [
    *(("temperature", good) for good in (0, 0.29, 0.01, 2, 2.0, Decimal("1.15"), Decimal("0.30"))),
    *(("topP", good) for good in (0, 0.9, 0.07, 1, Decimal("0.99"))),
    *(("maxTokens", 1), ("maxTokens", 128_000)),
    *(("systemPrompt", "x"), ("systemPrompt", "é" * 200_000)),
    *(("stopSequences", ["x"] * 5), ("stopSequences", ["x" * 50]), ("stopSequences", [])),
    *(("thinkingLevel", word) for word in ("low", "medium", "high")),
]
BAD_SETTINGS = [
    *(("temperature", bad) for bad in (0.005, 2.01, -0.01, "1", True, 10**40, 1e30)),
    *(("temperature", Decimal(bad)) for bad in ("1E+30", "1E-400", "NaN", "Infinity")),
    *(("topP", bad) for bad in (1.01, -0.01, 0.905, "0.9", True, Decimal("1E+300"))),
    *(("maxTokens", bad) for bad in (0, 128_001, -5, 900.0, "900", True)),
    *(("systemPrompt", bad) for bad in ("", "x" * 200_001, 5)),
    *(("stopSequences", bad) for bad in (["x"] * 6, [""], ["x" * 51], [7], "stop")),
    *(("thinkingLevel", bad) for bad in (3, True, ["high"])),
    *(("topK", 5), ("seed", 5), ("max_tokens", 5)),
]


@pytest.mark.parametrize(("field", "value"), GOOD_SETTINGS)
def test_a_setting_within_its_limits_passes(field: str, value: object) -> None:
    settings = accepts(settings={field: value}).settings
    expected = Decimal(repr(value)) if isinstance(value, float) else value
    assert getattr(settings, field) == expected


@pytest.mark.parametrize(("field", "value"), BAD_SETTINGS)
def test_a_setting_outside_its_limits_is_refused_by_name(field: str, value: object) -> None:
    assert field in refuses(settings={field: value})


def test_a_thinking_level_nobody_documented_is_sent_with_a_warning() -> None:
    with pytest.warns(UnknownThinkingLevel, match="'minimal' is none of low, medium, high"):
        task = accepts(settings={"thinkingLevel": "minimal"})
    assert task.settings
    assert task.settings.thinkingLevel == "minimal"


@pytest.mark.parametrize(
    "messages",
    [
        [],
        "hello",
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
        [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}],
        [{"role": "user"}],
        [{"role": "user", "content": ""}],
        [{"role": "user", "content": None}],
        [{"role": "user", "content": [{"type": "text", "text": "a"}]}],
        [{"role": "user", "content": "a", "name": "b"}],
    ],
)
def test_a_conversation_that_is_none_is_refused(messages: object) -> None:
    refuses(messages=messages)


def test_a_conversation_may_have_several_turns_and_ends_with_the_user() -> None:
    turns = [("user", "a"), ("assistant", "b"), ("user", "c")]
    task = accepts(messages=[{"role": role, "content": text} for role, text in turns])
    assert [(turn.role, turn.content) for turn in task.messages] == turns
