"""The verbs beside a running `up`: what they say, where, and with which exit code."""

import json
import signal
import subprocess
import sys

import pytest
from simulator_driver import Simulator, wait_until
from stack_driver import COMMAND, Place, by_uuid
from terminal_driver import Terminal

FINE = {"prompt": "What happens?", "video": "https://example.com/clip.mp4"}

BAD_MANIFESTS = {
    "not-json": ("{", "line 1, row"),
    "cut-off": ('{"custom_id": "a", "prompt": "x"}\n{"custom_id": "b", "pro', "line 2, row"),
    "no-rows": ("\n\n", "holds no rows"),
    "twice": (
        '{"custom_id": "a", "prompt": "x"}\n{"custom_id": "a", "prompt": "y"}',
        "line 2, custom_id ('a'): stands on line 1 already",
    ),
    "five-results": ('{"custom_id": "a", "prompt": "x", "numberResults": 5}', "numberResults (5)"),
    "ours": (
        '{"custom_id": "a", "prompt": "x", "taskUUID": "b"}',
        "line 1, taskUUID: leave it out",
    ),
    "output": ('{"custom_id": "a", "prompt": "x", "cost": 1}', "line 1, cost: the results have"),
}


@pytest.fixture(scope="module")
def known(running: Place) -> str:
    """Give the name of a batch that has ended, of one row."""
    done = running.run("submit", running.manifest("known", FINE), "--watch")
    assert done.returncode == 0, done.stderr
    return "known"


@pytest.mark.parametrize("name", BAD_MANIFESTS)
def test_a_bad_manifest_is_refused_whole_with_row_column_and_reason(
    name: str, running: Place
) -> None:
    text, told = BAD_MANIFESTS[name]
    (running.cwd / f"{name}.jsonl").write_text(text, encoding="utf-8")
    done = running.run("submit", f"{name}.jsonl")
    assert done.returncode == 1
    assert told in done.stderr


def test_of_bad_manifests_nothing_is_recorded_and_nothing_sent(
    running: Place, provider: Simulator
) -> None:
    before = provider.sent()
    (running.cwd / "last.jsonl").write_text('{"custom_id": "a", "prompt": "x"}\n{', "utf-8")
    assert running.run("submit", "last.jsonl").returncode == 1
    listed = [json.loads(line) for line in running.run("list", "--json").stdout.splitlines()]
    assert {batch["name"] for batch in listed}.isdisjoint({*BAD_MANIFESTS, "last"})
    assert provider.sent() == before


def test_the_same_manifest_again_adds_and_buys_nothing(
    known: str, running: Place, provider: Simulator
) -> None:
    before = provider.totals()["purchases"]
    done = running.run("submit", "known.jsonl", "--watch")
    assert done.returncode == 0
    assert "0 jobs queued, 1 known before" in done.stderr
    assert running.status(known)["request_counts"]["total"] == 1
    assert provider.totals()["purchases"] == before


def test_a_changed_row_is_named_and_nothing_is_added(known: str, running: Place) -> None:
    changed = running.manifest("changed", FINE | {"maxTokens": 99}, FINE)
    done = running.run("submit", changed, "--name", known)
    assert done.returncode == 1
    assert "line 1: row-0" in done.stderr
    assert running.status(known)["request_counts"]["total"] == 1


def test_status_list_and_job_tell_a_batch_to_people_and_to_programs(
    known: str, running: Place, provider: Simulator
) -> None:
    assert "known completed: 1 ok" in running.run("status", known).stdout
    assert "known" in running.run("list").stdout
    listed = [json.loads(line) for line in running.run("list", "--json").stdout.splitlines()]
    assert known in [batch["name"] for batch in listed]
    told = running.run("job", "row-0", "--batch", known)
    assert "completed" in told.stdout
    job = json.loads(running.run("job", "row-0", "--batch", known, "--json").stdout)
    assert by_uuid(provider)[job["id"]]["purchases"] == 1
    assert running.run("job", job["attempts"][0]["task_uuid"]).returncode == 0


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (("status", "nobody"), 1, "there is no batch 'nobody'; `reelqueue list` shows"),
        (("job", "nobody"), 1, "there is no job 'nobody'"),
        (("job", "nobody", "--batch", "known"), 1, "there is no job 'nobody' in batch known"),
        (("results", "known", "-o", "/proc/nowhere/x.jsonl"), 1, "cannot write /proc/nowhere"),
        (("results", "known", "-o", "x.xlsx"), 2, "must end in one of .jsonl"),
        (("submit", "absent.jsonl"), 1, "cannot read absent.jsonl: No such file"),
        (("submit", "/"), 1, "give --name"),
        (("submit", "known.jsonl", "--name", "a b"), 2, "1 to 64 of A-Z"),
        (("submit",), 2, "Missing argument 'FILE'"),
        (("run", "known.jsonl", "-o", "/proc/nowhere/x.jsonl"), 1, "cannot write /proc/nowhere"),
        (("up",), 1, "it is running already"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_told_in_a_sentence_on_standard_error(
    args: tuple[str, ...], code: int, told: str, known: str, running: Place
) -> None:
    assert known
    done = running.run(*args)
    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_finds_all_in_order_and_shows_no_secret(running: Place) -> None:
    done = running.run("doctor")
    assert done.returncode == 0, done.stdout
    settings = running.run("doctor", "--settings").stdout
    assert "RUNWARE_API_KEY\t(set, not shown)\tenvironment" in settings
    assert running.env["RUNWARE_API_KEY"] not in settings


def test_a_table_on_a_terminal_moves_no_cursor_and_in_a_file_is_exact(running: Place) -> None:
    hostile = "\x1b]0;owned\x07\u009b2J\u202eevil\u200e"
    manifest = running.manifest("moving", {"prompt": "x", "told": hostile})
    assert running.run("submit", manifest, "--watch").returncode == 0
    for format_ in ("jsonl", "csv", "tsv"):
        with Terminal(running, "results", "moving", "--format", format_) as shown:
            wait_until(shown.ended)
            raw = shown.raw()
        assert "\\u001b]0;owned\\u0007\\u009b2J\\u202eevil\\u200e" in raw
        assert not set(raw) & {"\x1b", "\x07", "\u009b", "\u202e", "\u200e"}
        piped = running.run("results", "moving", "--format", format_).stdout
        assert (json.loads(piped)["told"] == hostile) if format_ == "jsonl" else (hostile in piped)


def test_ctrl_c_in_watch_leaves_the_batch_running_and_says_how_to_go_on(running: Place) -> None:
    manifest = running.manifest("left", {"prompt": "slow [[sim: latency=10]]"})
    with Terminal(running, "submit", manifest, "--watch") as watching:
        wait_until(lambda: "1 processing" in watching.seen())
        watching.type("\x03")
        wait_until(watching.ended)
        assert watching.process.returncode == 130
        assert "Follow it again: reelqueue watch left" in watching.seen()
    assert running.status("left")["request_counts"]["in_progress"] == 1


def test_rows_are_added_to_a_batch_after_a_yes_on_a_terminal_alone(
    known: str, running: Place
) -> None:
    more = running.manifest("more", FINE, FINE)
    with Terminal(running, "submit", more, "--name", known) as asking:
        wait_until(lambda: "at the end of its table, 1 already known. Go on?" in asking.seen())
        asking.type("n\n")
        wait_until(asking.ended)
        assert asking.process.returncode == 1
    with Terminal(running, "submit", more, "--name", known) as asking:
        wait_until(lambda: "Go on?" in asking.seen())
        asking.type("\x03")
        wait_until(asking.ended)
        assert asking.process.returncode == 130
        assert asking.seen().endswith("\nreelqueue: interrupted\n")
    assert running.status(known)["request_counts"]["total"] == 1
    done = running.run("submit", more, "--name", known, "--watch")
    assert done.returncode == 0
    told = "batch known exists: adding 1 row at the end of its table, 1 already known"
    assert told in done.stderr
    assert running.status(known)["request_counts"]["total"] == 2


def test_ctrl_c_while_a_verb_is_being_loaded_ends_it_as_at_any_other_time(place: Place) -> None:
    argv = [sys.executable, "-X", "importtime", COMMAND, "submit", "-", "--name", "late"]
    with subprocess.Popen(
        argv, env=place.env, cwd=place.cwd, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as command:
        assert command.stderr
        for line in command.stderr:  # each module as it is loaded; the verb's first is rich
            if "| " in line and "rich" in line:
                break
        command.send_signal(signal.SIGINT)
        told = command.stderr.read()
    assert command.returncode == 130
    assert told.endswith("reelqueue: interrupted\n")
