"""Lines of a streamed answer, read as the events of one task."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_samples import OTHER, OURS, error, read, success

from tasks.wire.stream import Event, events, is_stream, lines, whole

CHUNK = {"taskUUID": OURS, "taskType": "textInference", "finishReason": None}
LAST = {
    **CHUNK,
    "delta": {},
    "finishReason": "stop",
    "usage": {"promptTokens": 10, "completionTokens": 5, "thinkingTokens": 3},
    "cost": 0.001,
}
DONE = b"data: [DONE]"


def line(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode()


def delta(**fields: object) -> bytes:
    return line({**CHUNK, "delta": fields})


def heard(*given_: bytes) -> list[Event]:
    return list(events(given_, OURS))


def text_of(*given_: bytes) -> str:
    return "".join(event.text for event in heard(*given_))


def test_the_documented_stream_is_read_to_its_end() -> None:
    told = heard(
        b": ping",
        b"",
        delta(reasoningContent="Let me think..."),
        b"",
        delta(text="Hello"),
        line(LAST),
        DONE,
        delta(text="never read"),
    )
    assert [(event.reasoning, event.text) for event in told] == [
        ("Let me think...", ""),
        ("", "Hello"),
        ("", ""),
        ("", ""),
    ]
    end, done = told[2:]
    assert (end.finish_reason, end.cost) == ("stop", 1_000_000)
    assert end.usage
    assert (end.usage.promptTokens, end.usage.thinkingTokens) == (10, 3)
    assert [event.is_last for event in told] == [False, False, False, True]
    assert done == Event(is_last=True)


def test_without_done_no_event_is_the_last() -> None:
    assert not any(event.is_last for event in heard(delta(text="Hello"), line(LAST)))


@pytest.mark.parametrize(
    "done", [DONE, b"data:[DONE]", b"data:  [DONE] \r", b"\xef\xbb\xbf" + DONE]
)
def test_done_is_known_however_it_is_spaced(done: bytes) -> None:
    assert heard(done) == [Event(is_last=True)]


@pytest.mark.parametrize(
    ("said", "reasoning", "text"),
    [
        ({"reasoningContent": ["a", "b"]}, "ab", ""),
        ({"reasoningContent": None, "text": ""}, "", ""),
        ({"text": ["a", "b"], "unknown": {"x": 1}}, "", "ab"),
        ({"text": {"a": 1}}, "", '{"a":1}'),
        ([], "", ""),
        (None, "", ""),
        ("x", "", ""),
    ],
    ids=lambda value: json.dumps(value)[:20],
)
def test_a_delta_of_any_form_is_read(said: object, reasoning: str, text: str) -> None:
    (event,) = heard(line({**CHUNK, "delta": said, "neverSeen": [1]}))
    assert (event.reasoning, event.text) == (reasoning, text)


@pytest.mark.parametrize("wrap", [lambda chunk: {"data": chunk}, lambda chunk: {"data": [chunk]}])
def test_chunks_may_be_wrapped_in_data(wrap: object) -> None:
    assert callable(wrap)
    assert text_of(line(wrap({**CHUNK, "delta": {"text": "Hello"}}))) == "Hello"


def test_a_chunk_without_delta_ends_an_answer_and_says_nothing_twice() -> None:
    told = heard(delta(text="A boat leaves."), line(success(cost=0.5)))
    assert [event.text for event in told] == ["A boat leaves.", ""]
    assert (told[1].finish_reason, told[1].cost) == ("stop", 500_000_000)


def test_a_finished_item_in_place_of_pieces_is_the_text() -> None:
    assert text_of(line({"data": [success()]}), DONE) == "A boat leaves."


@pytest.mark.parametrize(
    "body",
    [
        {"errors": [{"code": "timeoutProvider", "message": "Late."}]},
        {"data": [], "errors": [error("timeoutProvider", message="Late.")]},
        {"error": {"code": "timeoutProvider", "message": "Late."}, "taskUUID": OURS},
        {"status": "error", "code": "timeoutProvider", "message": "Late.", "taskUUID": OURS},
    ],
    ids=["errors", "envelope", "singular", "flat"],
)
def test_an_error_inside_ends_the_stream(body: object) -> None:
    *_, last = heard(delta(text="Hel"), line(body), delta(text="lo"), DONE)
    assert last.error
    assert (last.error.code, last.error.message) == ("timeoutProvider", "Late.")


def test_an_error_of_another_task_is_passed_over() -> None:
    foreign = line({"errors": [error("providerError", OTHER)]})
    assert text_of(delta(text="Hel"), foreign, delta(text="lo")) == "Hello"


@pytest.mark.parametrize(
    "damaged", [b'data: {"delta": {"te', b"data: {}{}", b"data: NaN", b"data: " + b"[" * 9999]
)
def test_a_line_that_cannot_be_read_is_told_and_costs_only_itself(damaged: bytes) -> None:
    told = heard(delta(text="Hel"), damaged, delta(text="lo"), DONE)
    assert [event.is_damaged for event in told] == [False, True, False, False]
    assert "".join(event.text for event in told) == "Hello"


@pytest.mark.parametrize(
    "nothing", [b"event: delta", b"id: 7", b"retry: 100", b": ping", b"", b"data:", b"noise", b"\0"]
)
def test_other_lines_add_nothing(nothing: bytes) -> None:
    assert heard(nothing) == []


@pytest.mark.parametrize("value", [None, 7, "keep-alive"], ids=str)
def test_values_that_are_no_object_break_nothing(value: object) -> None:
    assert text_of(line(value), delta(text="Hello")) == "Hello"


def test_a_byte_that_is_no_utf_8_costs_one_character() -> None:
    assert text_of(delta(text="a?b").replace(b"?", b"\xff")) == "a\ufffdb"


@given(st.lists(st.binary(max_size=20)), st.integers(1, 7))
def test_lines_are_the_same_whatever_the_pieces(parts: list[bytes], size: int) -> None:
    body = b"\n".join(parts)
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    assert b"\n".join(lines(pieces)) == body.removesuffix(b"\n")


@given(st.lists(st.binary(max_size=30)))
def test_no_bytes_raise(given_: list[bytes]) -> None:
    heard(*given_, *(b"data: " + each for each in given_))


def test_a_line_of_ten_megabytes_in_small_pieces_is_read_at_once() -> None:
    body = delta(text="x" * 10_000_000) + b"\n\n" + DONE
    pieces = [body[at : at + 1000] for at in range(0, len(body), 1000)]
    began = time.monotonic()
    told = list(events(lines(pieces), OURS))
    assert time.monotonic() - began < 5  # some hundredths; what grows with the square takes minutes
    assert len(told[0].text) == 10_000_000
    assert told[-1].is_last


@pytest.mark.parametrize(
    ("first", "expected"),
    [(b": ping", True), (b"data: {}", True), (b"event: x", True), (b'{"data":[]}', False)]
    + [(each, False) for each in (b"[]", b"", b"<html>", b'"data": [')],
)
def test_a_stream_is_told_from_other_answers_by_its_first_line(
    first: bytes, *, expected: bool
) -> None:
    assert is_stream(first) is expected


def test_an_answer_in_one_body_is_one_event_and_the_last() -> None:
    event = whole(read({"data": [success(reasoningContent=["a", "b"], cost=0.1)]}), OURS)
    assert event
    assert (event.text, event.reasoning, event.cost) == ("A boat leaves.", "a\nb", 100_000_000)
    assert event.is_last


def test_a_success_is_believed_before_an_error_that_names_nobody() -> None:
    body = {"data": [success()], "errors": [error("providerError", None)]}
    event = whole(read(body), OURS)
    assert event
    assert event.text


def test_the_error_that_names_the_task_is_told_before_others() -> None:
    errors = [error("standardError", None), error("invalidSeed"), error("taskFailed", OTHER)]
    event = whole(read({"errors": errors}), OURS)
    assert event
    assert event.error
    assert event.error.code == "invalidSeed"


@pytest.mark.parametrize(
    "body", [{"data": []}, {"data": [success(OTHER)]}, {"data": [{"taskUUID": OURS}]}]
)
def test_without_an_answer_to_the_task_there_is_none(body: object) -> None:
    assert whole(read(body), OURS) is None
