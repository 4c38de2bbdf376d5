from typing import Any

import pytest
from simulator_driver import Simulator, codes, poll, task, utility

DRY = {"X-Runware-Dry-Run": "1"}


def dry(simulator: Simulator, *tasks: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = simulator.send(list(tasks), headers=DRY).json()
    return answer


@pytest.mark.parametrize("method", ["async", "sync", "stream"])
def test_a_dry_run_tells_the_cost_and_buys_nothing(simulator: Simulator, method: str) -> None:
    asked = task("[[sim: latency=30]]", deliveryMethod=method)
    (item,) = dry(simulator, asked)["data"]
    assert item == {
        "taskType": "textInference",
        "taskUUID": asked["taskUUID"],
        "cost": item["cost"],
    }
    assert simulator.totals() | {"posts": 0} == dict.fromkeys(simulator.totals(), 0)
    assert simulator.truth()["uses"] == {"dry_runs": 1}
    assert simulator.ask(*poll(asked)) == {"data": []}
    simulator.ask(asked | {"deliveryMethod": "async", "taskUUID": asked["taskUUID"]})
    (planned,) = simulator.truth(f"/{asked['taskUUID']}")["results"]
    assert planned["cost_nano"] / 1e9 == item["cost"]


def test_a_dry_run_counts_all_results_and_finds_faults(simulator: Simulator) -> None:
    one, four, wrong = task(), task(numberResults=4), task(seed=-1)
    answer = dry(simulator, one, four, wrong)
    assert codes(answer) == ["invalidSeed"]
    costs = [item["cost"] for item in answer["data"]]
    assert costs[1] > 3 * costs[0]
    assert simulator.totals()["tasks"] == 0


def test_a_dry_run_stores_no_medium(simulator: Simulator) -> None:
    (item,) = dry(simulator, utility("mediaStorage", operation="upload", media="QUJD"))["data"]
    assert item["cost"] == 0
    assert simulator.truth("/media")["media"] == []


def test_a_service_that_ignores_the_header_sells(simulator: Simulator) -> None:
    simulator.change(dry_run="ignored")
    assert "cost" not in dry(simulator, task())["data"][0]
    assert simulator.totals()["purchases"] == 1
