import uuid

import pytest
import requests
from simulator_driver import Simulator, codes, task


def authentication(key: str = "right") -> dict[str, str]:
    return {"taskType": "authentication", "apiKey": key}


def bare(simulator: Simulator, *tasks: object) -> requests.Response:
    return requests.post(simulator.v1, json=list(tasks), timeout=10)


def test_the_key_can_come_as_the_first_task(simulator: Simulator) -> None:
    simulator.change(max_tasks=1)  # which counts only what is asked for
    asked = task()
    session, acknowledged = bare(simulator, authentication(), asked).json()["data"]
    assert session["taskType"] == "authentication"
    assert uuid.UUID(session["connectionSessionUUID"])
    assert acknowledged["taskUUID"] == asked["taskUUID"]
    assert len(bare(simulator, authentication()).json()["data"]) == 1
    simulator.change(auth_item=False)
    assert bare(simulator, authentication()).json() == {"data": []}


@pytest.mark.parametrize("key", ["wrong", "", None, 7, "\ud800"])
def test_a_wrong_key_in_the_payload_is_refused(simulator: Simulator, key: str | None) -> None:
    simulator.change(api_key="right")
    try:
        answer = bare(simulator, {"taskType": "authentication", "apiKey": key}, task())
    finally:
        simulator.change(api_key=None)
    assert (answer.status_code, codes(answer.json())) == (401, ["invalidApiKey"])
    assert simulator.totals()["purchases"] == 0


def test_a_key_that_is_not_the_first_task_does_not_count(simulator: Simulator) -> None:
    answer = bare(simulator, task(), authentication())
    assert (answer.status_code, codes(answer.json())) == (401, ["missingApiKey"])
    # What is illegible tells nothing to a stranger.
    assert requests.post(simulator.v1, data=b"[{", timeout=10).status_code == 401


def test_a_ping_is_answered(simulator: Simulator) -> None:
    answer = simulator.ask({"taskType": "ping", "ping": True})
    assert answer == {"data": [{"taskType": "ping", "pong": True}]}
