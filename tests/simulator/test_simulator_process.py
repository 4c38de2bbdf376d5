import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
import requests
from simulator_driver import ROOT, Receiver, Simulator, poll, task, wait_until

READY = re.compile(
    r"simulator ready on http://127\.0\.0\.1:\d+/v1 \(answers are simulated; nothing is billed\)\n"
)


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGINT])
def test_it_says_one_line_and_stops_at_once_with_webhooks_pending(
    start: Callable[..., Simulator], receiver: Receiver, with_signal: int
) -> None:
    one = start("--latency", "0.1")
    assert READY.fullmatch(one.ready_line)
    receiver.statuses = [500] * 100
    waiting = task("[[sim: latency=30]]", webhookURL=receiver.url)
    one.ask(task(webhookURL=receiver.url), waiting)
    wait_until(lambda: receiver.bodies)
    began = time.monotonic()
    stdout, stderr = one.stop(with_signal)
    assert time.monotonic() - began < 2
    assert (stdout, stderr, one.process.returncode) == ("", "", 0)


def test_it_stops_within_two_seconds_while_an_answer_is_held_back(
    start: Callable[..., Simulator],
) -> None:
    one = start("--outage", "hang")
    with socket.create_connection(("127.0.0.1", int(one.base.rpartition(":")[2]))) as client:
        client.sendall(b"POST /v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]")
        wait_until(lambda: one.totals()["posts"] == 1)
        began = time.monotonic()
        one.stop()
        assert time.monotonic() - began < 2


def test_a_taken_port_is_said_at_once(simulator: Simulator) -> None:
    port = simulator.base.rpartition(":")[2]
    ended = subprocess.run(
        [sys.executable, "-m", "simulator", "--port", port],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert ended.returncode == 1
    assert f"port {port} cannot be used" in ended.stderr


def test_flags_win_over_the_environment(start: Callable[..., Simulator]) -> None:
    env = {"SIMULATOR_LATENCY": "9", "SIMULATOR_REMEMBER": "never", "SIMULATOR_BILL_FAILED": "1"}
    one = start("--latency", "0.5", "--insufficient-credits", env=env)
    shown = one.truth("/settings")
    assert (shown["latency"], shown["remember"]) == ("0.5", "never")
    assert (shown["bill_failed"], shown["insufficient_credits"]) == (True, True)


def test_a_wrong_flag_is_a_usage_error() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "simulator", "--webhook", "sometimes"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert ended.returncode == 2
    assert "webhook: expected some of" in ended.stderr


def test_the_health_check_answers(simulator: Simulator) -> None:
    assert requests.get(f"{simulator.base}/healthz", timeout=10).status_code == 200


def test_the_secret_in_a_webhook_url_is_never_logged(start: Callable[..., Simulator]) -> None:
    one = start("--webhook-tries", "1", "--latency", "0")
    one.ask(task(webhookURL="http://127.0.0.1:1/hook?token=secret-in-query"))
    wait_until(lambda: one.totals()["webhooks_sent"] == 1)
    _, stderr = one.stop()
    assert "given up after 1 tries" in stderr
    assert "secret-in-query" not in stderr


def test_two_thousand_tasks_are_taken_and_polled_quickly(simulator: Simulator) -> None:
    tasks = [task(f"Work {number}") for number in range(2_000)]
    began = time.monotonic()
    for first in range(0, 2_000, 100):
        assert len(simulator.ask(*tasks[first : first + 100])["data"]) == 100
    for first in range(0, 2_000, 100):
        assert len(simulator.ask(*poll(*tasks[first : first + 100]))["data"]) == 100
    # About 1 s alone; the bound leaves room for a busy machine, not for a scan per request.
    assert time.monotonic() - began < 8
    assert simulator.totals()["purchases"] == 2_000
