import uuid
from collections.abc import Callable

import pytest
import requests
from simulator_driver import KEY, Simulator, poll, task


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalidJSON"),
        (b"[{]", "invalidJSON"),
        (b"[{}", "invalidJSON"),
        (b"[{}] x", "invalidJSON"),
        (b"[{},]", "invalidJSON"),
        (b'[{"seed": NaN}]', "invalidJSON"),
        (b'[{"seed": 1e99999999999999999999}]', "invalidJSON"),
        (b'[{"seed": ' + b"9" * 5000 + b"}]", "invalidJSON"),
        (b"[" * 100_000, "invalidJSON"),
        (b'["\xff"]', "invalidJSON"),
        (b'{"taskType": "textInference"}', "invalidRequest"),
        (b"null", "invalidRequest"),
        (b" [ ] ", "emptyRequest"),
        (b"[{}, 7]", "invalidTask"),
    ],
)
def test_a_body_that_is_no_array_of_objects_is_refused_whole(
    simulator: Simulator, body: bytes, code: str
) -> None:
    answer = simulator.send(body)
    assert answer.status_code == 400
    assert [error["code"] for error in answer.json()["errors"]] == [code]


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "missingApiKey"),
        ("Bearer ", "invalidApiKey"),
        ("Basic abc", "invalidApiKey"),
        ("Bearer other", "invalidApiKey"),
    ],
)
def test_only_the_demanded_key_is_let_in(
    simulator: Simulator, header: str | None, code: str
) -> None:
    simulator.change(api_key="right")
    try:
        headers = {"Authorization": header} if header else {}
        refused = requests.post(simulator.v1, json=[task()], headers=headers, timeout=10)
        headers = {"Authorization": "Bearer right"}
        accepted = requests.post(simulator.v1, json=[task()], headers=headers, timeout=10)
    finally:
        simulator.change(api_key=None)
    assert refused.status_code == 401
    (error,) = refused.json()["errors"]
    assert (error["code"], error["parameter"]) == (code, "apiKey")
    assert error["taskType"] == "authentication"
    assert accepted.status_code == 200


def test_a_task_type_not_offered_is_refused_by_name_and_the_others_run(
    simulator: Simulator,
) -> None:
    foreign = {"taskType": "imageInference", "taskUUID": str(uuid.uuid4())}
    nameless = {"taskUUID": str(uuid.uuid4())}
    good = task()
    answer = simulator.send([foreign, good, nameless])
    assert answer.status_code == 200
    assert [item["taskUUID"] for item in answer.json()["data"]] == [good["taskUUID"]]
    named = {error["taskUUID"]: error["code"] for error in answer.json()["errors"]}
    assert named == {
        foreign["taskUUID"]: "unsupportedTaskType",
        nameless["taskUUID"]: "missingTaskType",
    }


def test_one_request_may_submit_and_poll_and_the_answers_are_pooled(simulator: Simulator) -> None:
    good, bad, fresh = task(), task("[[sim: fail=providerError]]"), task()
    simulator.ask(good, bad)
    answer = simulator.ask(*poll(good, bad), fresh)
    assert [item["taskUUID"] for item in answer["data"]] == [good["taskUUID"], fresh["taskUUID"]]
    (error,) = answer["errors"]
    assert error["status"] == "error"
    assert (error["taskUUID"], error["code"]) == (bad["taskUUID"], "providerError")
    assert error["taskType"] == "textInference"


def test_too_many_tasks_are_refused_naming_none(simulator: Simulator) -> None:
    simulator.change(max_tasks=2)
    tasks = [task() for _ in range(3)]
    for many in (tasks, poll(*tasks)):
        answer = simulator.send(many)
        assert answer.status_code == 400
        assert "taskUUID" not in answer.json()["errors"][0]
    assert simulator.send(tasks[:2]).status_code == 200
    assert simulator.totals()["purchases"] == 2


def test_a_body_over_the_limit_is_answered_not_reset(start: Callable[..., Simulator]) -> None:
    small = start("--max-body", "2000000")
    answer = small.send([task("x" * 9_000_000)])
    assert answer.status_code == 413
    assert answer.json()["errors"][0]["code"] == "maxBodySizeExceeded"
    assert small.send([task("x" * 1_000_000)]).status_code == 200


def test_settings_can_reject_the_key_or_the_balance(simulator: Simulator) -> None:
    asked = task()
    simulator.ask(asked)
    simulator.change(insufficient_credits=True)
    refused = simulator.send([task()])
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (
        402,
        "insufficientCredits",
    )
    assert simulator.send(poll(asked)).status_code == 200
    simulator.change(insufficient_credits=False, reject_key=True)
    assert simulator.send(poll(asked)).status_code == 401
    assert simulator.totals()["purchases"] == 1


@pytest.mark.parametrize(("outage", "status"), [("500", 500), ("html", 502)])
def test_an_outage_fails_everything(simulator: Simulator, outage: str, status: int) -> None:
    simulator.change(outage=outage)
    answer = simulator.send([task()])
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == (
        "text/html" if outage == "html" else "application/json"
    )


def test_an_outage_can_refuse_or_hang_and_be_lifted(simulator: Simulator) -> None:
    simulator.change(outage="refuse")
    with pytest.raises(requests.ConnectionError):
        simulator.send([task()])
    simulator.change(outage="hang")
    for _ in range(70):  # more than may hang at once: those given up must not stay occupied
        with pytest.raises(requests.Timeout):
            requests.post(simulator.v1, json=[task()], headers=KEY, timeout=0.02)
    simulator.change(outage=None)
    assert simulator.send([task()]).status_code == 200
    assert simulator.totals()["purchases"] == 1
