"""Answers that are right, or wrong, in the way they travel."""

import itertools
import json
import socket
import time
from collections.abc import Callable

import pytest
import requests
from simulator_driver import KEY, Simulator, poll, task, wait_until


def test_an_answer_can_be_compressed_for_clients_that_ask(simulator: Simulator) -> None:
    simulator.change(transfer="gzip")
    answer = simulator.send([task()])
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.json()["data"]) == 1
    plain = simulator.send([task()], headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers


def test_a_body_can_come_in_trickles(simulator: Simulator) -> None:
    asked = task("[[sim: transfer=slow:0.8]]")
    began = time.monotonic()
    with requests.post(simulator.v1, json=[asked], headers=KEY, stream=True, timeout=10) as answer:
        headers_after = time.monotonic() - began
        items = json.loads(answer.content)["data"]
    assert headers_after < 0.8 <= time.monotonic() - began
    assert len(items) == 1


def test_headers_can_come_in_trickles(simulator: Simulator) -> None:
    began = time.monotonic()
    answer = simulator.send([task("[[sim: transfer=slow_headers:0.4]]")])
    assert time.monotonic() - began >= 0.4
    assert (answer.status_code, len(answer.json()["data"])) == (200, 1)


def test_a_body_can_lack_its_length(simulator: Simulator) -> None:
    answer = simulator.send([task("[[sim: transfer=chunked]]")])
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert len(answer.json()["data"]) == 1


def test_a_body_can_end_in_the_middle_of_an_accepted_task(simulator: Simulator) -> None:
    asked = task("[[sim: transfer=cut]]")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        simulator.send([asked])
    assert simulator.totals()["purchases"] == 1
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        simulator.send(poll(asked))
    known = simulator.truth(f"/{asked['taskUUID']}")
    assert (known["state"], known["delivered_by_poll"]) == ("success", False)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_the_service_can_redirect_to_where_nothing_is(simulator: Simulator, status: int) -> None:
    simulator.change(outage=str(status))
    answer = simulator.send([task()])
    assert (answer.status_code, answer.headers["Location"]) == (status, "/v1/moved")
    assert requests.post(f"{simulator.v1}/moved", json=[], timeout=10).status_code == 404
    assert simulator.totals()["purchases"] == 0


@pytest.mark.parametrize(
    ("status", "code"),
    [("401", "invalidApiKey"), ("403", "forbidden"), ("429", "rateLimitExceeded")],
)
def test_polls_alone_can_fail_which_says_nothing_of_the_task(
    simulator: Simulator, status: str, code: str
) -> None:
    simulator.change(outage=status, outage_scope="polls")
    asked = task()
    assert simulator.send([asked]).status_code == 200
    failed = simulator.send(poll(asked))
    assert (str(failed.status_code), failed.json()["errors"][0]["code"]) == (status, code)
    simulator.change(outage_scope="submissions")
    assert simulator.send(poll(asked)).status_code == 200
    assert str(simulator.send([task()]).status_code) == status


def test_an_outage_can_strike_every_other_request(simulator: Simulator) -> None:
    simulator.change(outage="503", outage_every=2)
    statuses = [simulator.send([task()]).status_code for _ in range(6)]
    assert sorted(statuses) == [200] * 3 + [503] * 3
    assert all(first != second for first, second in itertools.pairwise(statuses))


def test_a_body_can_be_no_json_under_http_200(simulator: Simulator) -> None:
    simulator.change(outage="garbage")
    answer = simulator.send([task()])
    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


def test_an_accepted_task_can_be_answered_by_any_gateway_page(simulator: Simulator) -> None:
    answer = simulator.send([task("[[sim: ack=html:504]]")])
    assert (answer.status_code, answer.headers["Content-Type"]) == (504, "text/html")
    assert simulator.totals()["purchases"] == 1


def test_a_client_that_leaves_a_stream_or_a_slow_answer_leaves_no_trace_in_the_log(
    start: Callable[..., Simulator],
) -> None:
    simulator = start("--latency", "0")
    words = ("stream_ping=0.01 latency=0.5", "transfer=slow:0.5", "transfer=slow_headers:0.5")
    for text in words:
        asked = task(f"[[sim: {text}]]", deliveryMethod="stream" if "ping" in text else "async")
        body = json.dumps([asked]).encode()
        with socket.create_connection(("127.0.0.1", int(simulator.base.rpartition(":")[2]))) as one:
            one.sendall(
                b"POST /v1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
            )
            one.recv(1)
    assert simulator.totals()["purchases"] == 3
    wait_until(lambda: simulator.totals()["running"] == 0)
    assert simulator.stop() == ("", "")
