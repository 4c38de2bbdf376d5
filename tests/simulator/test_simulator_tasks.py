import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from simulator_driver import ROOT, Simulator, poll, task, wait_until

REAL_COSTS = {
    "harbor-evacuation-video": ("0.01572", 660, 1200),
    "lighthouse-evidence-image": ("0.02386", 1130, 1800),
    "market-stall-image": ("0.02394", 1170, 1800),
    "incident-brief-video": ("0.01311", 1155, 900),
}


def test_a_task_is_acknowledged_runs_and_ends(start: Callable[..., Simulator]) -> None:
    slow = start("--latency", "1")
    asked = task()
    names = {"taskType": "textInference", "taskUUID": asked["taskUUID"]}
    assert slow.ask(asked) == {"data": [names]}
    assert slow.ask(*poll(asked)) == {"data": [names | {"status": "processing"}]}
    (item,) = slow.finished(asked)["data"]
    assert item["status"] == "success"
    assert item["finishReason"] == "stop"
    assert {"seed", "cost", "usage", "resultIndex"}.isdisjoint(item)


def test_an_unknown_task_is_answered_empty_or_not_found(simulator: Simulator) -> None:
    (asking,) = poll(task())
    assert simulator.ask(asking) == {"data": []}
    simulator.change(unknown="taskNotFound")
    answer = simulator.send([asking])
    assert answer.status_code == 200
    (error,) = answer.json()["errors"]
    assert (error["code"], error["taskUUID"]) == ("taskNotFound", asking["taskUUID"])


@pytest.mark.parametrize("name", REAL_COSTS)
def test_the_real_examples_get_their_real_answers_at_their_real_cost(
    simulator: Simulator, name: str
) -> None:
    recorded = json.loads((ROOT / "simulator" / "answers" / f"{name}.json").read_text())
    cost, prompt, output = REAL_COSTS[name]
    asked = task(**recorded["match"], settings={"maxTokens": output}, includeCost=True)
    item = simulator.result(asked | {"includeUsage": True})
    assert {key: item[key] for key in recorded["answer"]} == recorded["answer"]
    assert item["finishReason"] == "length"
    assert str(item["cost"]) == cost
    assert (item["usage"]["promptTokens"], item["usage"]["completionTokens"]) == (prompt, output)


def test_another_request_gets_the_same_labelled_text_each_time(simulator: Simulator) -> None:
    inputs = {"videos": ["https://a.example/films/harbor%201.mp4?token=hidden"]}
    first, second = (simulator.result(task(inputs=inputs)) for _ in range(2))
    assert first["text"] == second["text"]
    assert re.match(r"\[simulated\] harbor%201\.mp4: ", first["text"])
    assert "hidden" not in first["text"]
    other = simulator.result(task("Something else", inputs=inputs))
    assert other["text"] != first["text"]


def test_cost_follows_usage_and_doubles_for_a_long_prompt(simulator: Simulator) -> None:
    for letters, price_in, price_out in ((400, 2, 12), (800_400, 4, 18)):
        item = simulator.result(task("x" * letters, includeCost=True, includeUsage=True))
        usage = item["usage"]
        assert usage["promptTokens"] == letters // 4
        assert 0 < usage["thinkingTokens"] < usage["completionTokens"]
        assert usage["totalTokens"] == usage["promptTokens"] + usage["completionTokens"]
        micro = usage["promptTokens"] * price_in + usage["completionTokens"] * price_out
        assert round(item["cost"] * 1_000_000, 6) == micro


def test_few_tokens_leave_little_text(simulator: Simulator) -> None:
    for most in (1, 40):
        item = simulator.result(task(settings={"maxTokens": most}, includeUsage=True))
        assert item["finishReason"] == "length"
        assert len(item["text"]) <= 20
        assert item["usage"]["completionTokens"] == most


def test_results_arrive_one_after_another_each_with_its_own_seed(
    start: Callable[..., Simulator],
) -> None:
    slow = start("--latency", "1.2")
    asked = task(numberResults=3, seed=2**32 - 2)
    slow.ask(asked)
    seen: list[int] = []

    def count() -> int:
        items = slow.ask(*poll(asked))["data"]
        running = sum(item["status"] == "processing" for item in items)
        assert running <= 1
        seen.append(len(items) - running)
        return seen[-1]

    wait_until(lambda: count() == 3)
    assert set(seen) == {0, 1, 2, 3}
    assert seen == sorted(seen)
    items = slow.finished(asked)["data"]
    assert [item["seed"] for item in items] == [2**32 - 2, 2**32 - 1, 0]
    assert len({item["text"] for item in items}) == 3


@pytest.mark.parametrize(
    ("remember", "while_running", "afterwards", "purchases"),
    [("forever", 400, 400, 1), ("running", 400, 200, 2), ("never", 200, 200, 3)],
)
def test_a_used_uuid_conflicts_as_long_as_it_is_remembered(
    simulator: Simulator, remember: str, while_running: int, afterwards: int, purchases: int
) -> None:
    simulator.change(remember=remember, latency=0.8)
    asked, other = task(), task()
    simulator.ask(asked)
    again = simulator.send([asked])
    assert again.status_code == while_running
    wait_until(lambda: simulator.truth(f"/{asked['taskUUID']}")["state"] == "success")
    late = simulator.send([asked])
    assert late.status_code == afterwards
    mixed = simulator.send([asked, other])
    assert mixed.status_code == 200
    wait_until(lambda: simulator.totals()["running"] == 0)
    known = simulator.truth(f"/{asked['taskUUID']}")
    # The last submission comes while the one before it still runs, if that was bought.
    assert known["purchases"] == purchases + (remember == "never")
    assert known["charged_nano"] == known["purchases"] * known["results"][0]["cost_nano"]
    if again.status_code == 400:
        (error,) = again.json()["errors"]
        assert (error["code"], error["taskUUID"]) == ("conflictTaskUUID", asked["taskUUID"])


def test_beyond_capacity_tasks_are_refused_until_some_end(simulator: Simulator) -> None:
    simulator.change(capacity=2, latency=1.2)
    tasks = [task() for _ in range(3)]
    answer = simulator.send(tasks)
    assert answer.status_code == 200
    (error,) = answer.json()["errors"]
    assert error["code"] == "concurrentRequestLimitExceeded"
    assert error["taskUUID"] == tasks[2]["taskUUID"]
    assert simulator.send(tasks[2:]).status_code == 429
    wait_until(lambda: simulator.send(tasks[2:]).status_code == 200)
    known: dict[str, Any] = simulator.totals()
    assert (known["purchases"], known["conflicts"]) == (3, 0)


def test_a_finished_task_is_forgotten_after_its_retention(simulator: Simulator) -> None:
    simulator.change(retention=0.2)
    asked = task()
    simulator.result(asked)
    wait_until(lambda: simulator.ask(*poll(asked)) == {"data": []})
    assert simulator.truth(f"/{asked['taskUUID']}")["delivered_by_poll"] is True
