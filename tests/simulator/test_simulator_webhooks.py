import itertools
import socket
from typing import Any

import pytest
from simulator_driver import Receiver, Simulator, poll, task, wait_until


def deliver(simulator: Simulator, receiver: Receiver, words: str, **fields: object) -> str:
    asked = task(f"[[sim: {words}]]", webhookURL=receiver.url, **fields)
    simulator.ask(asked)
    return str(asked["taskUUID"])


def test_a_webhook_is_the_same_item_a_poll_shows(simulator: Simulator, receiver: Receiver) -> None:
    asked = task(webhookURL=receiver.url, includeCost=True, includeUsage=True, seed=3)
    simulator.ask(asked)
    (body,) = wait_until(lambda: receiver.bodies)
    assert simulator.ask(*poll(asked))["data"] == [body]


def test_each_result_has_its_own_webhook(simulator: Simulator, receiver: Receiver) -> None:
    task_uuid = deliver(simulator, receiver, "errors=1", numberResults=3)
    wait_until(lambda: len(receiver.bodies) == 3)
    assert sorted(body["status"] for body in receiver.bodies) == ["error", "success", "success"]
    assert {body["taskUUID"] for body in receiver.bodies} == {task_uuid}
    (failed,) = [body for body in receiver.bodies if body["status"] == "error"]
    assert (failed["code"], failed["taskType"]) == ("timeoutProvider", "textInference")


def test_anything_but_2xx_is_tried_again_with_growing_pauses(
    simulator: Simulator, receiver: Receiver
) -> None:
    receiver.statuses = [503, 302, 404, 204]
    task_uuid = deliver(simulator, receiver, "")
    wait_until(lambda: simulator.totals()["webhooks_acknowledged"] == 1)
    known = simulator.truth(f"/{task_uuid}")
    assert known["webhook_statuses"] == [503, 302, 404, 204]
    assert known["results"][0]["webhooks"] == {"sent": 4, "acknowledged": 1}
    pauses = [later - sooner for sooner, later in itertools.pairwise(receiver.arrived)]
    for pause, longest in zip(pauses, (0.25, 0.5, 1.0), strict=True):
        assert longest / 2 <= pause < longest + 3


def test_a_webhook_is_given_up_after_its_tries(simulator: Simulator, receiver: Receiver) -> None:
    simulator.change(webhook_tries=2)
    receiver.statuses = [500, 500, 500]
    task_uuid = deliver(simulator, receiver, "")
    wait_until(lambda: len(receiver.bodies) == 2)
    later = deliver(simulator, receiver, "")
    wait_until(lambda: simulator.truth(f"/{later}")["webhook_statuses"] == [500, 200])
    assert simulator.truth(f"/{task_uuid}")["webhook_statuses"] == [500, 500]


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        ("webhook=wrapped", lambda body: body["data"][0]["text"]),
        ("webhook=wrapped fail=taskFailed", lambda body: body["errors"][0]["code"] == "taskFailed"),
        ("webhook=list", lambda body: body[0]["text"]),
        ("webhook=both", lambda body: body["data"][0]["text"] and body["errors"] == []),
        ("webhook=both fail=taskFailed", lambda body: body["errors"][0] and body["data"] == []),
        ("webhook=nested fail=taskFailed", lambda body: body["error"]["code"] == "taskFailed"),
        ("webhook=fields", lambda body: body["text"] and body["event"] and body["safetyRatings"]),
        ("webhook=nostatus", lambda body: body["text"] and "status" not in body),
        ("webhook=nostatus fail=taskFailed", lambda body: body["code"] and "status" not in body),
    ],
)
def test_a_webhook_can_have_every_reported_shape(
    simulator: Simulator,
    receiver: Receiver,
    words: str,
    shape: Any,  # noqa: ANN401 - a predicate
) -> None:
    deliver(simulator, receiver, words)
    (body,) = wait_until(lambda: receiver.bodies)
    assert shape(body)


def test_webhooks_can_be_off_delayed_or_many(simulator: Simulator, receiver: Receiver) -> None:
    off = deliver(simulator, receiver, "webhook=off")
    delayed = deliver(simulator, receiver, "webhook=delay:0.8")
    many = deliver(simulator, receiver, "webhook=dup:3")
    wait_until(lambda: len(receiver.bodies) == 4)
    assert [body["taskUUID"] for body in receiver.bodies] == [many] * 3 + [delayed]
    assert simulator.truth(f"/{off}")["results"][0]["webhooks"]["sent"] == 0


def test_webhooks_of_a_task_can_come_last_first(simulator: Simulator, receiver: Receiver) -> None:
    deliver(simulator, receiver, "webhook=reverse", numberResults=3)
    wait_until(lambda: len(receiver.bodies) == 3)
    assert [body["resultIndex"] for body in receiver.bodies] == [2, 1, 0]


def test_webhooks_of_many_tasks_can_come_in_any_order(
    simulator: Simulator, receiver: Receiver
) -> None:
    sent = [deliver(simulator, receiver, "webhook=jitter:0.5") for _ in range(20)]
    wait_until(lambda: len(receiver.bodies) == 20)
    came = [body["taskUUID"] for body in receiver.bodies]
    assert came != sent
    assert set(came) == set(sent)


def test_a_webhook_can_come_again_long_after_it_was_acknowledged(
    simulator: Simulator, receiver: Receiver
) -> None:
    early = deliver(simulator, receiver, "webhook=again:0.4")
    wait_until(lambda: receiver.bodies)
    later = deliver(simulator, receiver, "")
    wait_until(lambda: len(receiver.bodies) == 3)
    assert [body["taskUUID"] for body in receiver.bodies] == [early, later, early]
    counted = {"sent": 2, "acknowledged": 2}
    wait_until(lambda: simulator.truth(f"/{early}")["results"][0]["webhooks"] == counted)


def test_the_first_results_of_a_task_can_stay_without_webhook(
    simulator: Simulator, receiver: Receiver
) -> None:
    asked = deliver(simulator, receiver, "webhook=skip:2", numberResults=3)
    wait_until(lambda: simulator.truth(f"/{asked}")["webhook_statuses"] == [200])
    assert [body["resultIndex"] for body in receiver.bodies] == [2]


def test_a_webhook_may_say_that_the_task_still_runs(
    simulator: Simulator, receiver: Receiver
) -> None:
    asked = deliver(simulator, receiver, "webhook=processing latency=0.2")
    wait_until(lambda: len(receiver.bodies) == 2)
    assert [body["status"] for body in receiver.bodies] == ["processing", "success"]
    wait_until(lambda: simulator.truth(f"/{asked}")["results"][0]["webhooks"]["sent"] == 1)
    wait_until(lambda: simulator.totals()["webhooks_sent"] == 2)


def test_tries_and_deadline_of_webhooks_can_be_set(
    simulator: Simulator, receiver: Receiver
) -> None:
    receiver.statuses = [500]
    once = deliver(simulator, receiver, "webhook=tries:1")
    wait_until(lambda: simulator.truth(f"/{once}")["webhook_statuses"] == [500])
    simulator.change(webhook_deadline=0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/hook"
        asked = task("[[sim: webhook=tries:1]]", webhookURL=url)
        simulator.ask(asked)
        wait_until(lambda: simulator.truth(f"/{asked['taskUUID']}")["webhook_statuses"])
    assert simulator.truth(f"/{asked['taskUUID']}")["webhook_statuses"] == ["timeout"]
    assert len(receiver.bodies) == 1


def test_a_webhook_can_come_before_the_acknowledgment(
    simulator: Simulator, receiver: Receiver
) -> None:
    deliver(simulator, receiver, "ack=late:1")
    assert len(receiver.bodies) == 1


def test_webhooks_are_pending_until_they_are_acknowledged_or_given_up(
    simulator: Simulator, receiver: Receiver
) -> None:
    receiver.statuses = [500]
    deliver(simulator, receiver, "webhook=dup:2,again:0.3,tries:2")
    wait_until(lambda: simulator.totals()["webhooks_sent"])
    assert simulator.totals()["webhooks_pending"] > 0
    wait_until(lambda: simulator.totals()["webhooks_pending"] == 0)
    assert simulator.totals()["webhooks_sent"] == 5
    assert simulator.totals()["webhooks_acknowledged"] == 4


def test_a_receiver_that_is_away_is_tried_again(simulator: Simulator, receiver: Receiver) -> None:
    asked = task(webhookURL="http://127.0.0.1:1/hook?token=secret-in-query")
    simulator.ask(asked)
    wait_until(lambda: len(simulator.truth(f"/{asked['taskUUID']}")["webhook_statuses"]) == 2)
    known = simulator.truth(f"/{asked['taskUUID']}")
    assert known["webhook_statuses"] == ["ConnectionError"] * 2
    assert receiver.bodies == []


def test_many_webhooks_are_all_delivered_once(simulator: Simulator, receiver: Receiver) -> None:
    simulator.change(latency="0.1-0.6")
    tasks = [task(webhookURL=receiver.url) for _ in range(300)]
    assert len(simulator.ask(*tasks)["data"]) == 300
    wait_until(lambda: simulator.totals()["webhooks_acknowledged"] == 300)
    assert {body["taskUUID"] for body in receiver.bodies} == {one["taskUUID"] for one in tasks}
    assert len(receiver.bodies) == 300
