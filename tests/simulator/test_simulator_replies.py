"""Answers that hold what no client should rely on being absent (contract §17.14 to 17.21)."""

from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from simulator_driver import Simulator, codes, poll, task


def uuids(items: list[dict[str, Any]]) -> list[str]:
    return [item["taskUUID"] for item in items]


def test_items_come_in_order_unless_they_are_shuffled(simulator: Simulator) -> None:
    tasks = [task(f"{n}") for n in range(30)]
    assert uuids(simulator.ask(*tasks)["data"]) == uuids(tasks)
    simulator.change(reply="shuffled")
    shuffled = uuids(simulator.ask(*poll(*tasks))["data"])
    assert shuffled != uuids(tasks)
    assert set(shuffled) == set(uuids(tasks))


def test_every_item_can_be_told_twice(simulator: Simulator) -> None:
    good, bad = task("[[sim: reply=duplicate]]"), task(seed=-1)
    answer = simulator.ask(good, bad)
    assert uuids(answer["data"]) == [good["taskUUID"]] * 2
    assert codes(answer) == ["invalidSeed"] * 2
    assert len(simulator.ask(*poll(good))["data"]) == 2


def test_an_answer_can_hold_strangers(simulator: Simulator) -> None:
    asked = task("[[sim: reply=foreign,nameless,foreign_data]]")
    for answer in (simulator.ask(asked), simulator.ask(*poll(asked))):
        assert asked["taskUUID"] in uuids(answer["data"])
        assert len(answer["data"]) == 2
        foreign, nameless = answer["errors"]
        assert foreign["taskUUID"] != asked["taskUUID"]
        assert "taskUUID" not in nameless


def test_keys_of_the_envelope_can_be_empty_or_missing(simulator: Simulator) -> None:
    asked = task()
    assert simulator.ask(*poll(asked)) == {"data": []}
    simulator.change(reply="empty_errors")
    assert simulator.ask(*poll(asked)) == {"data": [], "errors": []}
    simulator.change(reply="no_data")
    assert simulator.ask(*poll(asked)) == {}
    assert set(simulator.ask(task(seed=-1))) == {"errors"}


def test_errors_can_name_several_parameters_and_carry_details(simulator: Simulator) -> None:
    simulator.change(reply="parameter_list,details")
    (error,) = simulator.ask(task(seed=-1))["errors"]
    assert error["parameter"][0] == "seed"
    assert error["additionalDetails"]["responseStatusCode"] == 502


@pytest.mark.parametrize(
    "words",
    [
        "refuse=rateLimitExceeded",
        "refuse=concurrentRequestLimitExceeded status=200",
        "refuse=providerUnavailable",
    ],
)
def test_refusals_worth_another_try_can_say_when(simulator: Simulator, words: str) -> None:
    silent = simulator.send([task(f"[[sim: {words}]]")])
    assert "Retry-After" not in silent.headers
    assert simulator.send([task(f"[[sim: {words} retry_after=7]]")]).headers["Retry-After"] == "7"
    simulator.change(retry_after="date:60")
    dated = simulator.send([task(f"[[sim: {words}]]")])
    assert parsedate_to_datetime(dated.headers["Retry-After"])


def test_retry_after_is_said_for_nothing_else(simulator: Simulator) -> None:
    simulator.change(retry_after="7", max_tasks=1)
    assert "Retry-After" not in simulator.send([task()]).headers
    assert "Retry-After" not in simulator.send([task(), task()]).headers
    simulator.change(outage="503")
    assert simulator.send([task()]).headers["Retry-After"] == "7"


def test_submissions_and_polls_are_limited_apart(simulator: Simulator) -> None:
    tasks = [task(), task()]
    simulator.change(max_submissions=1)
    refused = simulator.send(tasks)
    assert (refused.status_code, "taskUUID" in refused.json()["errors"][0]) == (400, False)
    assert simulator.send(poll(*tasks)).status_code == 200
    simulator.change(max_submissions=None, max_polls=1)
    assert simulator.send(poll(*tasks)).status_code == 400
    assert simulator.send(tasks).status_code == 200
