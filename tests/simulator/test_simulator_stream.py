import json
import time
from itertools import takewhile
from typing import Any

import pytest
import requests
from simulator_driver import KEY, Simulator, codes, poll, task


def streamed(content: str = "What happens?", **fields: object) -> dict[str, Any]:
    return task(content, deliveryMethod="stream", **fields)


def events(answer: requests.Response) -> list[Any]:
    """Return what the data lines hold; DONE as that word."""
    lines = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines if line[0] != ":"]


def text_of(chunks: list[Any], field: str = "text") -> str:
    return "".join(chunk["delta"].get(field, "") for chunk in chunks if "delta" in chunk)


def test_reasoning_then_text_then_the_final_chunk_then_done(simulator: Simulator) -> None:
    asked = streamed(includeCost=True, includeUsage=True)
    answer = simulator.send([asked])
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    *chunks, last, done = events(answer)
    assert done == "[DONE]"
    assert all(chunk["taskUUID"] == asked["taskUUID"] for chunk in [*chunks, last])
    kinds = [next(iter(chunk["delta"])) for chunk in chunks]
    assert kinds == sorted(kinds)  # reasoningContent, then text
    assert all(chunk["finishReason"] is None for chunk in chunks)
    assert (last["delta"], last["finishReason"]) == ({}, "stop")
    assert last["usage"]["completionTokens"] > 0
    assert max(len(text_of([chunk]).split()) for chunk in chunks) <= 3
    (item,) = simulator.finished(asked)["data"]
    assert (text_of(chunks), last["cost"]) == (item["text"], item["cost"])
    assert text_of(chunks, "reasoningContent") == item["reasoningContent"][0]


def test_usage_and_cost_are_told_only_if_asked_for(simulator: Simulator) -> None:
    last = events(simulator.send([streamed()]))[-2]
    assert {"usage", "cost"}.isdisjoint(last)


def test_the_first_delta_comes_after_comments_and_before_the_task_is_over(
    simulator: Simulator,
) -> None:
    asked = streamed("[[sim: latency=30 stream_ping=0.01]]")
    with requests.post(simulator.v1, json=[asked], headers=KEY, stream=True, timeout=10) as answer:
        before = list(takewhile(lambda line: not line.startswith(b"data"), answer.iter_lines()))
        assert simulator.truth(f"/{asked['taskUUID']}")["state"] == "processing"
    assert before[0] == b": ping"
    assert before.count(b": ping") > 5


def test_the_last_delta_comes_when_the_task_is_over(simulator: Simulator) -> None:
    began = time.monotonic()
    assert events(simulator.send([streamed("[[sim: latency=0.5]]")]))[-1] == "[DONE]"
    assert time.monotonic() - began >= 0.5


def test_a_stream_that_fails_says_so_inside(simulator: Simulator) -> None:
    asked = streamed("[[sim: fail=timeoutProvider]]")
    answer = simulator.send([asked])
    (*_, failure, done) = events(answer)
    assert (answer.status_code, done) == (200, "[DONE]")
    assert [error["code"] for error in failure["errors"]] == ["timeoutProvider"]
    assert failure["errors"][0]["taskUUID"] == asked["taskUUID"]
    assert simulator.truth(f"/{asked['taskUUID']}")["charged_nano"] == 0


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"numberResults": 2}, 400, "invalidNumberResults"),
        ({"seed": -1}, 400, "invalidSeed"),
        ({"content": "[[sim: refuse=rateLimitExceeded]]"}, 429, "rateLimitExceeded"),
        ({"content": "[[sim: refuse=promptBlocked status=200]]"}, 200, "promptBlocked"),
    ],
)
def test_a_refusal_before_the_stream_is_one_error_object(
    simulator: Simulator, fields: dict[str, Any], status: int, code: str
) -> None:
    asked = streamed(**fields)
    answer = simulator.send([asked])
    refused = answer.json()
    assert (answer.status_code, set(refused)) == (status, {"error", "taskUUID", "taskType"})
    assert refused["error"]["code"] == code
    assert refused["taskUUID"] == asked["taskUUID"]
    assert simulator.totals()["purchases"] == 0


def test_a_request_refused_whole_is_one_error_object_too(simulator: Simulator) -> None:
    simulator.change(insufficient_credits=True)
    answer = simulator.send([streamed()])
    assert (answer.status_code, answer.json()["error"]["code"]) == (402, "insufficientCredits")


def test_a_strange_task_that_asked_for_a_stream_is_named_as_far_as_it_is_legible(
    simulator: Simulator,
) -> None:
    simulator.change(max_tasks=1)
    answer = simulator.send([{"deliveryMethod": "stream", "taskUUID": 1.5}, {}])
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "maxTasksExceeded")


def test_a_refusal_can_be_plural_or_json_under_http_200(simulator: Simulator) -> None:
    plural = simulator.send([streamed("[[sim: stream=plural refuse=promptBlocked]]")])
    assert (plural.status_code, codes(plural.json())) == (400, ["promptBlocked"])
    json_error = simulator.send([streamed("[[sim: stream=json]]")])
    assert (json_error.status_code, codes(json_error.json())) == (200, ["inferenceError"])
    assert json_error.headers["Content-Type"] == "application/json"


def test_a_stream_shares_its_request_with_no_other_task(simulator: Simulator) -> None:
    other = task()
    answer = simulator.ask(streamed(), other)
    assert codes(answer) == ["invalidDeliveryMethod"]
    assert [item["taskUUID"] for item in answer["data"]] == [other["taskUUID"]]


def test_a_stream_can_lack_its_end_or_stop_in_the_middle(simulator: Simulator) -> None:
    undone = events(simulator.send([streamed("[[sim: stream=undone]]")]))
    assert undone[-1]["finishReason"] == "stop"
    cut = streamed("[[sim: stream=cut]]")
    chunks = events(simulator.send([cut]))
    assert chunks[-1]["finishReason"] is None
    (item,) = simulator.finished(cut)["data"]
    assert item["text"].startswith(text_of(chunks))
    assert simulator.truth(f"/{cut['taskUUID']}")["results"][0]["delivered_in_answer"] is False


def test_a_stream_can_break_with_its_connection(simulator: Simulator) -> None:
    with pytest.raises(requests.RequestException):
        simulator.send([streamed("[[sim: stream=reset]]")])
    assert simulator.totals()["purchases"] == 1


def test_chunks_can_be_wrapped_in_data(simulator: Simulator) -> None:
    chunks = events(simulator.send([streamed("[[sim: stream=wrapped]]")]))
    assert text_of([chunk["data"] for chunk in chunks[:-1]]).startswith("[simulated]")


def test_a_streamed_task_may_be_unknown_to_polls(simulator: Simulator) -> None:
    asked = streamed("[[sim: stream=unkept]]")
    simulator.send([asked])
    assert simulator.ask(*poll(asked)) == {"data": []}
    known = simulator.truth(f"/{asked['taskUUID']}")
    assert (known["delivery"], known["state"]) == ("stream", "success")
    assert known["results"][0]["delivered_in_answer"] is True


def test_a_text_without_words_and_a_huge_one_are_streamed(simulator: Simulator) -> None:
    silent = events(simulator.send([streamed("[[sim: finish=content_filter]]")]))
    assert (text_of(silent[:-1]), silent[-2]["finishReason"]) == ("", "content_filter")
    huge = events(simulator.send([streamed("[[sim: huge=100000]]")]))
    assert len(text_of(huge[:-1])) == 100_000
    hostile = events(simulator.send([streamed("[[sim: text=hostile]]")]))
    assert "\r\n" in text_of(hostile[:-1])
