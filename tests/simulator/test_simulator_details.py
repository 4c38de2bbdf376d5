from typing import Any

from simulator_driver import Simulator, codes, task, utility


def details(simulator: Simulator, asked: dict[str, Any]) -> dict[str, Any]:
    question = utility("getTaskDetails") | {"taskUUID": asked["taskUUID"]}
    (item,) = simulator.ask(question)["data"]
    assert (item["taskType"], item["taskUUID"]) == ("getTaskDetails", asked["taskUUID"])
    return {"request": item["request"], "response": item["response"]}


def test_the_archive_holds_the_request_and_its_results(simulator: Simulator) -> None:
    asked = task(includeCost=True)
    item = simulator.result(asked)
    assert details(simulator, asked) == {"request": [asked], "response": {"data": [item]}}


def test_a_task_that_runs_has_its_acknowledgment_there(simulator: Simulator) -> None:
    asked = task("[[sim: latency=30]]")
    acknowledged = simulator.ask(asked)
    assert details(simulator, asked)["response"] == acknowledged


def test_a_rejected_replay_overwrites_a_success(simulator: Simulator) -> None:
    asked = task()
    simulator.result(asked)
    assert codes(simulator.ask(asked)) == ["conflictTaskUUID"]
    (error,) = details(simulator, asked)["response"]["errors"]
    assert (error["code"], error["taskUUID"]) == ("conflictTaskUUID", asked["taskUUID"])


def test_a_refused_task_is_archived_with_its_faults(simulator: Simulator) -> None:
    asked = task(seed=-1)
    simulator.ask(asked)
    (error,) = details(simulator, asked)["response"]["errors"]
    assert (error["code"], error["parameter"]) == ("invalidSeed", "seed")


def test_a_provider_failure_has_two_reported_forms(simulator: Simulator) -> None:
    asked = task("[[sim: fail=providerUnavailable]]")
    simulator.ask(asked)
    assert codes(details(simulator, asked)["response"]) == ["providerUnavailable"]
    simulator.change(details_errors="provider")
    inner = details(simulator, asked)["response"]["response"]
    assert inner["errors"]["errorCode"] == "providerUnavailable"


def test_long_texts_are_cut(simulator: Simulator) -> None:
    asked = task("[[sim: huge=3000]]")
    simulator.result(asked)
    (item,) = details(simulator, asked)["response"]["data"]
    assert item["text"].endswith("...[REDACTED 1000 bytes]...")
    simulator.change(details_limit=3000)
    (item,) = details(simulator, asked)["response"]["data"]
    assert len(item["text"]) == 3000


def test_what_never_came_or_was_dropped_is_not_found(simulator: Simulator) -> None:
    never = utility("getTaskDetails")
    assert codes(simulator.ask(never)) == ["taskNotFound"]
    assert codes(simulator.ask(never | {"taskUUID": "x"})) == ["invalidTaskUUID"]
