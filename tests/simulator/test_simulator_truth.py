import base64
import hashlib
import json
from typing import Any

import requests
from simulator_driver import Simulator, poll, task

ZERO = {
    "posts": 0,
    "tasks": 0,
    "accepted": 0,
    "purchases": 0,
    "refused": 0,
    "conflicts": 0,
    "dropped": 0,
    "running": 0,
    "charged_nano": 0,
    "polls": 0,
    "polled_uuids": 0,
    "webhooks_sent": 0,
    "webhooks_acknowledged": 0,
    "webhooks_pending": 0,
}


def test_the_totals_count_what_happened_and_a_reset_forgets_it(simulator: Simulator) -> None:
    assert simulator.totals() == ZERO
    good, bad = task(), task(seed=-1)
    simulator.ask(good, bad)
    simulator.ask(good)
    simulator.ask(*poll(good, bad))
    simulator.send(b"broken")
    known = simulator.totals()
    cost = simulator.truth(f"/{good['taskUUID']}")["charged_nano"]
    assert cost > 0
    assert known == ZERO | {
        "posts": 4,
        "tasks": 2,
        "accepted": 1,
        "purchases": 1,
        "refused": 1,
        "conflicts": 1,
        "charged_nano": cost,
        "polls": 1,
        "polled_uuids": 2,
    }
    simulator.reset()
    assert simulator.totals() == ZERO


def test_a_task_is_told_with_its_results_and_what_was_delivered(simulator: Simulator) -> None:
    asked = task("[[sim: errors=1]]", numberResults=2)
    simulator.ask(asked)
    before = simulator.truth("?tasks=1")["tasks"][0]
    assert (before["state"], before["delivered_by_poll"]) == ("partial", False)
    answer = simulator.finished(asked)
    known = simulator.truth(f"/{asked['taskUUID']}")
    good, failed = known["results"]
    assert good["text_sha256"] == hashlib.sha256(answer["data"][0]["text"].encode()).hexdigest()
    assert (good["kind"], good["code"], good["finished"]) == ("success", None, True)
    assert (failed["kind"], failed["code"], failed["cost_nano"]) == ("error", "timeoutProvider", 0)
    assert known["delivered_by_poll"] is True
    assert known["charged_nano"] == good["cost_nano"]
    assert known["accepted_at"] <= known["finished_at"]


def test_a_lone_surrogate_has_a_hash_too(simulator: Simulator) -> None:
    asked = task("[[sim: text=hostile]]")
    text: str = simulator.result(asked)["text"]
    (known,) = simulator.truth(f"/{asked['taskUUID']}")["results"]
    assert known["text_sha256"] == hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def test_every_submission_is_kept_byte_by_byte(simulator: Simulator) -> None:
    asked = task("Grüße \U0001f30d [[sim: refuse=promptBlocked*1]]", settings={"topP": 0.50})
    compact = json.dumps(asked, ensure_ascii=False, separators=(",", ":")).encode()
    spaced = json.dumps(asked, indent=3).encode()
    simulator.send(b"[" + compact + b"]")
    simulator.send(b" [\n" + spaced + b" ,\t" + json.dumps(task()).encode() + b"]")
    simulator.send(b"[" + compact + b"]")
    kept: list[dict[str, Any]] = simulator.truth(f"/{asked['taskUUID']}")["submissions"]
    assert [one["outcome"] for one in kept] == ["promptBlocked", "accepted", "conflictTaskUUID"]
    assert [base64.b64decode(one["body_base64"]) for one in kept] == [compact, spaced, compact]
    assert [one["sha256"] for one in kept] == [
        hashlib.sha256(raw).hexdigest() for raw in (compact, spaced, compact)
    ]


def test_attempts_at_the_same_work_share_a_fingerprint(simulator: Simulator) -> None:
    simulator.ask(task("One"), task("One", seed=4), task("Two"))
    marks = [one["fingerprint"] for one in simulator.truth("?tasks=1")["tasks"]]
    assert marks[0] == marks[1] != marks[2]


def test_failed_results_can_be_billed(simulator: Simulator) -> None:
    simulator.change(bill_failed=True)
    asked = task("x" * 400 + "[[sim: fail=providerError]]")
    simulator.ask(asked)
    assert simulator.totals()["charged_nano"] == 107 * 2_000


def test_settings_can_be_read_and_changed_but_not_to_nonsense(simulator: Simulator) -> None:
    simulator.change(latency="1.0-3.0", webhook="dup:3,wrapped", capacity=50, reject_key=True)
    url = f"{simulator.base}/truth/settings"
    shown = requests.get(url, timeout=10).json()
    assert (shown["latency"], shown["webhook"]) == ("1-3", "dup:3,wrapped")
    assert (shown["capacity"], shown["reject_key"]) == (50, True)
    for wrong in (
        {"latency": "soon"},
        {"nothing": 1},
        {"port": 1},
        {"host": "::"},
        {"capacity": 1, "poll": "x"},
    ):
        assert requests.post(url, json=wrong, timeout=10).status_code == 400
    assert requests.post(url, data=b"[]", timeout=10).status_code == 400
    assert requests.get(url, timeout=10).json() == shown


def test_an_unknown_task_is_not_in_the_table(simulator: Simulator) -> None:
    answer = requests.get(f"{simulator.base}/truth/{task()['taskUUID']}", timeout=10)
    assert answer.status_code == 404
