import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from simulator_driver import KEY, Receiver, Simulator, codes, poll, task, wait_until


def sync(content: str = "What happens?", **fields: object) -> dict[str, object]:
    asked = task(content, **fields)
    del asked["deliveryMethod"]  # sync is the default
    return asked


def test_the_answer_is_held_until_the_slowest_result_is_done(simulator: Simulator) -> None:
    slow, quick = sync("[[sim: latency=0.4]]", numberResults=2), sync()
    began = time.monotonic()
    items = simulator.ask(slow, quick)["data"]
    assert 0.4 <= time.monotonic() - began < 2
    assert [item["taskUUID"] for item in items] == [slow["taskUUID"]] * 2 + [quick["taskUUID"]]
    assert not any("status" in item for item in items)


def test_a_task_can_be_polled_while_its_answer_is_held_and_afterwards(
    simulator: Simulator,
) -> None:
    asked = sync(includeCost=True)
    held = simulator.ask(asked)["data"]
    assert simulator.ask(*poll(asked))["data"] == [held[0] | {"status": "success"}]
    known = simulator.truth(f"/{asked['taskUUID']}")
    assert (known["delivery"], known["state"]) == ("sync", "success")
    assert known["results"][0]["delivered_in_answer"] is True
    assert held[0]["cost"] * 1e9 == pytest.approx(known["charged_nano"])


def test_a_failed_task_is_told_under_http_200_or_as_it_asks(simulator: Simulator) -> None:
    plain = simulator.send([sync("[[sim: fail=providerError]]")])
    asked = simulator.send([sync("[[sim: fail=providerError status=502]]")])
    assert (plain.status_code, codes(plain.json())) == (200, ["providerError"])
    assert (asked.status_code, codes(asked.json())) == (502, ["providerError"])


@pytest.mark.parametrize(
    ("how", "status", "kind"), [("html", 504, "text/html"), ("error", 504, "application/json")]
)
def test_an_answer_held_too_long_times_out_while_the_task_goes_on(
    simulator: Simulator, how: str, status: int, kind: str
) -> None:
    simulator.change(sync_limit=0.1, sync_timeout=how)
    asked = sync("[[sim: latency=0.4]]")
    answer = simulator.send([asked])
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, kind)
    (item,) = simulator.finished(asked)["data"]
    assert item["status"] == "success"
    known = simulator.truth(f"/{asked['taskUUID']}")
    assert known["charged_nano"] > 0
    assert known["results"][0]["delivered_in_answer"] is False


def test_an_answer_held_too_long_can_end_in_a_closed_connection(simulator: Simulator) -> None:
    asked = sync("[[sim: latency=0.4 sync_limit=0.1 sync_timeout=close]]")
    with pytest.raises(requests.ConnectionError):
        simulator.send([asked])
    assert simulator.finished(asked)["data"]


def test_a_client_that_leaves_does_not_stop_the_task(simulator: Simulator) -> None:
    asked = sync("[[sim: latency=0.4]]")
    with pytest.raises(requests.ReadTimeout):
        simulator.send([asked], timeout=0.1)
    assert simulator.finished(asked)["data"]


def test_with_a_webhook_the_answer_is_an_acknowledgment_or_the_result(
    simulator: Simulator, receiver: Receiver
) -> None:
    asked = sync(webhookURL=receiver.url)
    assert "text" not in simulator.ask(asked)["data"][0]
    simulator.change(sync_webhook="result", sync_status=True)
    both = simulator.ask(sync(webhookURL=receiver.url))["data"][0]
    assert (both["status"], bool(both["text"])) == ("success", True)
    wait_until(lambda: len(receiver.bodies) == 2)


def test_many_answers_can_be_held_while_the_simulator_serves_others(simulator: Simulator) -> None:
    simulator.change(latency=1)
    began = time.monotonic()
    with ThreadPoolExecutor(100) as pool:
        held = pool.map(
            lambda n: requests.post(simulator.v1, json=[sync(f"{n}")], headers=KEY, timeout=20),
            range(100),
        )
        wait_until(lambda: simulator.totals()["running"] == 100)
        assert all(len(answer.json()["data"]) == 1 for answer in held)
    # One after another they would take 100 s; the bound leaves room for a busy machine.
    assert time.monotonic() - began < 10
