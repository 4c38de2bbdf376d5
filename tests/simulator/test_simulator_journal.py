"""With `--journal` a simulator knows after a restart what was bought before."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from simulator_driver import ROOT, Receiver, Simulator, codes, poll, task, wait_until

Start = Callable[..., Simulator]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "simulator.jsonl"


def statuses(simulator: Simulator, *tasks: dict[str, object]) -> list[str]:
    return [item["status"] for item in simulator.ask(*poll(*tasks))["data"]]


def test_a_task_that_ran_when_it_was_killed_runs_on_and_ends_as_if_nothing_had_been(
    start: Start, simulator: Simulator, path: Path
) -> None:
    asked = task("[[sim: latency=3]]", includeCost=True, numberResults=2, seed=7)
    first = start("--journal", str(path))
    accepted = first.ask(asked)
    first.kill()
    second = start("--journal", str(path))
    assert statuses(second, asked)[-1] == "processing"
    simulator.ask(asked)
    assert second.finished(asked) == simulator.finished(asked)
    known = second.truth(f"/{asked['taskUUID']}")
    assert (known["purchases"], known["state"]) == (1, "success")
    assert known["finished_at"] - known["accepted_at"] == pytest.approx(3, abs=0.01)
    assert known["charged_nano"] == simulator.totals()["charged_nano"]
    assert accepted["data"][0]["taskUUID"] == asked["taskUUID"]


def test_a_task_that_was_finished_is_known_with_its_cost_and_its_uuid_conflicts(
    start: Start, path: Path
) -> None:
    good, bad = task(includeCost=True), task("[[sim: fail=taskFailed]]")
    first = start("--journal", str(path), "--latency", "0")
    first.ask(good, bad)
    told, totals = first.ask(*poll(good, bad)), first.totals()
    first.kill()
    second = start("--journal", str(path), "--latency", "60")
    assert second.ask(*poll(good, bad)) == told
    assert codes(second.ask(good)) == ["conflictTaskUUID"]
    names = ("tasks", "accepted", "purchases", "running", "charged_nano")
    assert [second.totals()[name] for name in names] == [totals[name] for name in names]
    submission = second.truth(f"/{good['taskUUID']}")["submissions"][0]
    assert submission["outcome"] == "accepted"
    assert submission["size"] == len(json.dumps(good))


def test_callbacks_that_were_not_delivered_come_and_the_others_do_not_come_again(
    start: Start, receiver: Receiver, path: Path
) -> None:
    flags = ("--journal", str(path), "--latency", "0")
    first, receiver.statuses = start(*flags), [200, *[503] * 100]
    delivered = task(webhookURL=receiver.url)
    first.ask(delivered)
    wait_until(lambda: b"told" in path.read_bytes())
    refused = task(webhookURL=receiver.url)
    running = task("[[sim: latency=2]]", webhookURL=receiver.url)
    first.ask(refused, running)
    wait_until(lambda: len(receiver.bodies) > 1)
    first.kill()
    receiver.statuses, came = [], len(receiver.bodies)
    second = start(*flags)
    wait_until(lambda: second.totals()["webhooks_acknowledged"] == 2)
    again = [body["taskUUID"] for body in receiver.bodies[came:]]
    assert again == [refused["taskUUID"], running["taskUUID"]]
    second.kill()
    last = task(webhookURL=receiver.url)
    start(*flags).ask(last)
    wait_until(lambda: receiver.bodies[-1]["taskUUID"] == last["taskUUID"])
    assert len(receiver.bodies) == came + 3


def test_attempts_at_the_same_work_are_counted_on(start: Start, path: Path) -> None:
    one, two = (task("[[sim: fail=providerError*1]]") for _ in range(2))
    first = start("--journal", str(path), "--latency", "0")
    assert codes(first.ask(one) and first.finished(one)) == ["providerError"]
    first.kill()
    assert start("--journal", str(path), "--latency", "0").result(two)["text"]


def test_a_record_that_was_cut_is_forgotten_and_harms_no_other(start: Start, path: Path) -> None:
    asked = [task() for _ in range(3)]
    flags = ("--journal", str(path), "--latency", "0")
    first = start(*flags)
    for one in asked[:2]:
        first.ask(one)
    first.kill()
    path.write_bytes(path.read_bytes()[:-20])
    second = start(*flags)
    second.ask(asked[2])
    second.kill()
    third = start(*flags)
    known = {item["taskUUID"] for item in third.ask(*poll(*asked))["data"]}
    assert known == {asked[0]["taskUUID"], asked[2]["taskUUID"]}
    assert third.ask(asked[1])["data"]


def test_what_ended_longer_ago_than_the_retention_is_dropped_from_the_file(
    start: Start, path: Path
) -> None:
    old, running = task("[[sim: latency=0]]"), task("[[sim: latency=30]]")
    first = start("--journal", str(path))
    first.ask(old, running)
    first.kill()
    time.sleep(0.2)
    second = start("--journal", str(path), "--retention", "0.1")
    assert old["taskUUID"] not in path.read_text()
    assert running["taskUUID"] in path.read_text()
    assert statuses(second, old, running) == ["processing"]
    assert second.ask(old)["data"]


def test_a_reset_is_for_good_and_the_file_is_for_its_user_alone(start: Start, path: Path) -> None:
    first, asked = start("--journal", str(path)), task()
    first.ask(asked)
    first.reset()
    first.kill()
    assert start("--journal", str(path)).totals()["tasks"] == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", [None, "custom_id,video\n"], ids=["folder", "another"])
def test_a_file_that_cannot_be_a_journal_is_told_in_one_sentence_and_left_alone(
    path: Path, content: str | None
) -> None:
    path.mkdir() if content is None else path.write_text(content)
    ended = subprocess.run(
        [sys.executable, "-m", "simulator", "--port", "0", "--journal", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert ended.returncode == 1
    why = "Is a directory" if content is None else "it is no journal of a simulator"
    assert ended.stderr == f"simulator: journal {path} cannot be used: {why}\n"
    assert content is None or path.read_text() == content


def test_tens_of_thousands_of_finished_tasks_are_known_within_seconds(
    start: Start, path: Path
) -> None:
    first, asked = start("--journal", str(path), "--latency", "0"), task()
    first.ask(asked)
    first.kill()
    text, known = path.read_text(), asked["taskUUID"]
    record = text.partition("\n")[2]
    others = [record.replace(known, str(uuid.uuid4())) for _ in range(30_000)]
    path.write_text("\n".join([text, *others]))
    began = time.monotonic()
    second = start("--journal", str(path))
    # About 1 s alone, and ten times as long if every task were read.
    assert time.monotonic() - began < 8
    assert second.totals()["purchases"] == 30_001
    assert second.ask(*poll(asked))["data"]
