import time
from typing import Any

import pytest
import requests
from simulator_driver import Simulator, codes, poll, task, wait_until


def test_a_task_can_fail_for_its_first_attempts(simulator: Simulator) -> None:
    ends = []
    for _ in range(3):
        attempt = task("Same work [[sim: fail=providerError*2]]", numberResults=2)
        simulator.ask(attempt)
        ends.append(codes(simulator.finished(attempt)))
    assert ends == [["providerError"] * 2, ["providerError"] * 2, []]
    # Only the last of the three attempts succeeded, and only it is charged.
    charged = simulator.truth(f"/{attempt['taskUUID']}")["charged_nano"]
    assert simulator.totals()["charged_nano"] == charged > 0


def test_some_results_can_fail_or_one_error_stand_for_all(simulator: Simulator) -> None:
    some = task("[[sim: errors=1 index]]", numberResults=3)
    whole = task("[[sim: one_error fail=taskFailed]]", numberResults=3)
    simulator.ask(some, whole)
    answer = simulator.finished(some)
    assert [item["resultIndex"] for item in answer["data"]] == [0, 1]
    assert codes(answer) == ["timeoutProvider"]
    assert codes(simulator.finished(whole)) == ["taskFailed"]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("refuse=concurrentRequestLimitExceeded*1", 429),
        ("refuse=concurrentRequestLimitExceeded*1 status=200", 200),
        ("refuse=promptBlocked*1", 400),
        ("refuse=promptBlocked*1 status=500", 500),
    ],
)
def test_a_submission_can_be_refused_and_is_not_bought(
    simulator: Simulator, words: str, status: int
) -> None:
    asked = task(f"[[sim: {words}]]")
    refused = simulator.send([asked])
    assert refused.status_code == status
    assert refused.json()["errors"][0]["taskUUID"] == asked["taskUUID"]
    assert simulator.totals()["purchases"] == 0
    assert simulator.ask(*poll(asked)) == {"data": []}
    assert simulator.send([asked]).status_code == 200
    assert simulator.totals()["purchases"] == 1


@pytest.mark.parametrize(("word", "bought"), [("ack=lost", 2), ("drop=before*1", 0)])
def test_a_closed_connection_may_hide_an_acceptance(
    simulator: Simulator, word: str, bought: int
) -> None:
    tasks = [task(f"[[sim: {word}]]"), task()]
    with pytest.raises(requests.ConnectionError):
        simulator.send(tasks)
    assert simulator.totals()["purchases"] == bought
    again = simulator.ask(*tasks)
    assert codes(again) == ["conflictTaskUUID"] * bought
    assert simulator.totals()["purchases"] == 2


def test_an_acknowledgment_can_leave_a_task_out_or_be_html(simulator: Simulator) -> None:
    unnamed, named, broken = task("[[sim: ack=unnamed]]"), task(), task("[[sim: ack=500]]")
    assert [item["taskUUID"] for item in simulator.ask(unnamed, named)["data"]] == [
        named["taskUUID"]
    ]
    answer = simulator.send([broken])
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "text/html")
    assert simulator.totals()["purchases"] == 3


def test_an_acknowledgment_can_be_final_or_late(simulator: Simulator) -> None:
    simulator.change(latency=30)
    final, failed = task("[[sim: ack=final]]"), task("[[sim: ack=final fail=taskFailed]]")
    answer = simulator.ask(final, failed)
    assert [item["status"] for item in answer["data"]] == ["success"]
    assert codes(answer) == ["taskFailed"]
    began = time.monotonic()
    simulator.ask(task("[[sim: ack=late:0.3]]"))
    assert time.monotonic() - began >= 0.3


def test_polls_show_a_task_in_every_reported_shape(simulator: Simulator) -> None:
    def shown(words: str) -> dict[str, Any]:
        asked = task(f"[[sim: {words}]]")
        simulator.ask(asked)
        return simulator.ask(*poll(asked))

    assert shown("poll=empty latency=30") == {"data": []}
    assert shown("poll=forever_empty") == {"data": []}
    assert "status" not in shown("poll=nostatus")["data"][0]
    assert shown("poll=getResponse,nostatus")["data"][0]["taskType"] == "getResponse"
    (nested,) = shown("poll=nested fail=taskFailed")["data"]
    assert (nested["status"], nested["error"]["code"]) == ("error", "taskFailed")
    (flat,) = shown("poll=flat fail=taskFailed")["data"]
    assert (flat["status"], flat["code"]) == ("error", "taskFailed")


def test_a_running_task_can_be_shown_in_every_reported_shape(simulator: Simulator) -> None:
    def running(words: str) -> list[dict[str, Any]]:
        asked = task(f"[[sim: latency=30 {words}]]", numberResults=2)
        simulator.ask(asked)
        items: list[dict[str, Any]] = simulator.ask(*poll(asked))["data"]
        return items

    assert [item["status"] for item in running("poll=pending")] == ["pending"]
    assert [item["status"] for item in running("poll=each")] == ["processing"] * 2
    (item,) = running("poll=progress,partial_text")
    assert item["progress"] in range(3)
    assert (item["status"], bool(item["text"])) == ("processing", True)
    asked = task("[[sim: latency=30 ack=processing]]")
    assert simulator.ask(asked)["data"][0]["status"] == "processing"


def test_several_results_carry_an_index_unless_it_is_switched_off(simulator: Simulator) -> None:
    def indexes(words: str = "", **fields: object) -> list[int | None]:
        asked = task(f"[[sim: {words}]]", **fields)
        simulator.ask(asked)
        return [item.get("resultIndex") for item in simulator.finished(asked)["data"]]

    assert indexes(numberResults=2) == [0, 1]
    assert indexes() == [None]
    assert indexes("index") == [0]
    assert indexes("index=never", numberResults=2) == [None, None]
    simulator.change(index="never")
    assert indexes(numberResults=2) == [None, None]


def test_a_task_can_be_forgotten_remembered_and_billed_in_its_own_way(
    simulator: Simulator,
) -> None:
    gone = task("[[sim: retention=0 expired=taskExpired]]")
    simulator.ask(gone)
    wait_until(lambda: codes(simulator.ask(*poll(gone))) == ["taskExpired"])
    assert codes(simulator.ask(gone)) == ["conflictTaskUUID"]
    again = task("[[sim: remember=never]]")
    assert simulator.ask(again)["data"] == simulator.ask(again)["data"]
    billed = task("[[sim: fail=providerError bill_failed]]")
    simulator.ask(billed)
    assert simulator.truth(f"/{billed['taskUUID']}")["charged_nano"] > 0


def test_an_expired_task_can_be_not_found_like_an_unknown_one(simulator: Simulator) -> None:
    simulator.change(retention=0, unknown="taskFailedOrNotFound")
    asked = task()
    simulator.ask(asked)
    wait_until(lambda: codes(simulator.ask(*poll(asked))) == ["taskFailedOrNotFound"])


def test_the_thoughts_can_be_missing_alone_or_one_string(simulator: Simulator) -> None:
    names = {"reasoningContent", "thoughtSignature"}
    assert names.isdisjoint(simulator.result(task("[[sim: thoughts=none]]")))
    signed = simulator.result(task("[[sim: thoughts=signature]]"))
    assert names & set(signed) == {"thoughtSignature"}
    assert isinstance(simulator.result(task("[[sim: thoughts=string]]"))["reasoningContent"], str)
    assert simulator.result(task("[[sim: text=empty]]"))["text"] == ""


def test_a_poll_may_bring_an_error_under_any_http_status(simulator: Simulator) -> None:
    asked = task("[[sim: fail=timeoutProvider status=400]]")
    simulator.ask(asked)
    assert simulator.send(poll(asked)).status_code == 400
    simulator.change(error_status=429)
    other = task("[[sim: fail=timeoutProvider]]")
    simulator.ask(other)
    assert simulator.send(poll(other)).status_code == 429


def test_results_can_be_told_apart_by_nothing(simulator: Simulator) -> None:
    asked = task("[[sim: identical]]", numberResults=2, seed=7)
    simulator.ask(asked)
    first, second = simulator.finished(asked)["data"]
    assert first == second
    assert "seed" not in first


def test_texts_can_be_hostile_huge_missing_or_among_strange_fields(simulator: Simulator) -> None:
    hostile = simulator.result(task("[[sim: text=hostile]]"))["text"]
    assert all(part in hostile for part in ("\x1b[31m", "<script>", "\r\n", "\ud800"))
    assert hostile.startswith("=")
    assert len(simulator.result(task("[[sim: huge=200000]]"))["text"]) == 200_000
    filtered = simulator.result(task("[[sim: finish=content_filter]]"))
    assert (filtered["text"], filtered["finishReason"]) == (None, "content_filter")
    assert "safetyRatings" in simulator.result(task("[[sim: unknown_field]]"))


def test_directives_are_read_leniently_and_the_tasks_own_win(simulator: Simulator) -> None:
    simulator.change(directives="fail=taskFailed latency=30")
    asked = task("[[sim: nonsense fail=!! latency=0 errors=x ack=what status=9 poll]]")
    simulator.ask(asked)
    assert codes(simulator.finished(asked)) == ["taskFailed"]
    quoted = task("[[sim: fail=providerError latency=0]]")
    quoted["messages"].insert(0, {"role": "assistant", "content": "[[sim: drop=before]]"})
    simulator.ask(quoted)
    assert codes(simulator.finished(quoted)) == ["providerError"]
