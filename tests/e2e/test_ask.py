"""`reelqueue ask` as a user meets it: the answer, the line below it, and all that can go wrong."""

import base64
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from simulator_driver import Simulator, wait_until
from stack_driver import COMMAND, KEY, Done, Place, by_uuid, real
from store_driver import free_port
from terminal_driver import Terminal
from wire_driver import Wire, answer_with, whole

VIDEO = "https://example.com/clip.mp4"
HOSTILE = "[[sim: text=hostile latency=0]]"


@pytest.fixture(scope="module")
def service() -> Iterator[Simulator]:
    """Give a simulator that stands for the real service."""
    running = Simulator("--latency", "0")
    yield running
    running.stop()


@pytest.fixture
def desk(service: Simulator, tmp_path: Path) -> Place:
    """Give a place with a key, where nothing runs."""
    return Place(tmp_path, **real(service))


def ask(place: Place, *args: str, **settings: str) -> Done:
    done = place.run("ask", *args, **settings)
    assert "Traceback" not in done.stderr
    assert KEY not in done.stderr + done.stdout
    return done


def body_of(task_uuid: str, service: Simulator) -> dict[str, Any]:
    (submission,) = service.truth(f"/{task_uuid}")["submissions"]
    body: dict[str, Any] = json.loads(base64.b64decode(submission["body_base64"]))
    return body


@pytest.mark.parametrize("road", ["stream", "sync"])
def test_the_text_alone_goes_to_standard_output_by_both_roads(
    road: str, desk: Place, service: Simulator
) -> None:
    service.reset()
    flags = ["--sync"] if road == "sync" else []
    done = ask(desk, "What happens?", "--video", VIDEO, "--set", "maxTokens=900", *flags)
    assert done.returncode == 0
    (task,) = by_uuid(service).values()
    sent = body_of(task["taskUUID"], service)
    assert (task["delivery"], task["results"][0]["delivered_in_answer"]) == (road, True)
    assert sent["inputs"] == {"videos": [VIDEO]}
    assert sent["settings"] == {"maxTokens": 900}
    assert done.stdout.startswith("[simulated] clip.mp4: ")
    assert done.stdout.count("\n") == 1
    thinking, _, last = done.stderr.rstrip().rpartition("\n")
    assert thinking.startswith("**Simulated reasoning**")
    assert last.startswith("stop; tokens ")
    assert last.endswith(" USD")


def test_one_object_has_all_of_the_answer_and_nothing_is_shown_before(
    desk: Place, service: Simulator
) -> None:
    done = ask(desk, "Who?", "--image", VIDEO, "--image", VIDEO, "--system-prompt", "Be", "--json")
    told = json.loads(done.stdout)
    truth = by_uuid(service)[told["task_uuid"]]["results"][0]
    assert round(told["cost"] * 1_000_000_000) == truth["cost_nano"]
    assert told["complete"]
    assert told["finish_reason"] == "stop"
    assert told["reasoning"].startswith("**Simulated reasoning**")
    assert not told["simulated"]
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("finish", "told"),
    [
        ("length", "cut by maxTokens (it counts thinking too); tokens "),
        ("content_filter", "content_filter (the provider withheld text); tokens "),
    ],
)
def test_reasoning_is_left_out_and_an_answer_that_was_cut_is_explained_and_no_success(
    finish: str, told: str, desk: Place
) -> None:
    question = f"Why? [[sim: finish={finish}]]"
    done = ask(desk, question, "--no-reasoning")
    assert done.returncode == 1
    assert done.stderr.startswith(told)
    assert done.stderr.count("\n") == 1
    done = ask(desk, question, "--json", "--sync")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["complete"], answer["finish_reason"]) == (1, False, finish)


def test_an_answer_without_a_text_is_told_and_is_no_success(desk: Place) -> None:
    done = ask(desk, "Why? [[sim: text=empty]]", "--no-reasoning")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("reelqueue: EMPTY: no text came\nstop; tokens ")


@pytest.mark.parametrize("mode", ["undone", "reset"])
def test_a_stream_without_its_end_is_told_as_cut_and_its_text_is_kept(
    mode: str, desk: Place
) -> None:
    done = ask(desk, f"What? [[sim: stream={mode}]]", "--no-reasoning")
    assert done.returncode == 1
    assert done.stdout.startswith("[simulated]")
    assert done.stdout.endswith("\n")
    assert "cut" in done.stderr.splitlines()[0].lower()
    assert "may go on and bill it (taskUUID " in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("refuse=concurrentRequestLimitExceeded", "again later. (ask again in a moment)"),
        ("fail=timeoutProvider", "reelqueue: the provider answers timeoutProvider: "),
        ("ack=500", "reelqueue: HTTP 500 with a body that is no answer"),
    ],
)
def test_a_refusal_and_a_failure_are_told_in_a_sentence(words: str, told: str, desk: Place) -> None:
    done = ask(desk, f"What? [[sim: {words}]]", "--no-reasoning")
    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr


def test_a_wrong_key_is_told_with_the_setting_to_look_at(desk: Place, tmp_path: Path) -> None:
    refusal = {"errors": [{"code": "invalidApiKey", "message": "Invalid\x1b[2J API key."}]}
    wire = Wire(answer_with(whole(json.dumps(refusal).encode()).replace(b"200 OK", b"401 No")))
    done = ask(desk, "What?", RUNWARE_BASE_URL=wire.url)
    wire.close()
    assert done.returncode == 1
    assert "invalidApiKey: Invalid API key. (is RUNWARE_API_KEY right?)" in done.stderr
    assert not list(tmp_path.rglob("up.lock"))


def test_a_line_that_cannot_be_read_is_told_and_costs_only_itself(desk: Place) -> None:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    pieces = b'data: {"delta":{"text":"A "}}\n\ndata: {"del\n\ndata: {"delta":{"text":"B"}}\n\n'
    wire = Wire(answer_with(head, pieces, b"data: [DONE]\n\n"))
    done = ask(desk, "What?", "--set", "thinkingLevel=none", RUNWARE_BASE_URL=wire.url)
    wire.close()
    assert (done.returncode, done.stdout) == (1, "A B\n")
    assert "DAMAGED: text may be missing; lines not read: 1" in done.stderr
    assert "warning: thinkingLevel 'none' is none of" in done.stderr


def test_where_nobody_answers_nothing_was_sent(desk: Place) -> None:
    done = ask(desk, "What?", RUNWARE_BASE_URL=f"http://127.0.0.1:{free_port()}/v1")
    assert done.returncode == 1
    assert "Nothing was sent." in done.stderr


def test_waiting_ends_with_the_time_that_was_given(desk: Place) -> None:
    done = ask(desk, "What? [[sim: latency=9]]", "--sync", "--timeout", "0.3", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["complete"] is False
    assert "the answer was not whole after 0.3 s" in done.stderr


BAD = ["", "--video", "clip.mp4", "--set", "maxTokens=0", "--set", "topP=x", "--system-prompt", ""]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (
            BAD,
            [
                "QUESTION (''): must be text, not blank",
                "--video ('clip.mp4'): no such file: clip.mp4",
                "--set maxTokens (0): must be a whole number from 1 to 128000",
                "--set topP ('x'): must be a number from 0 to 1 in steps of 0.01",
                "--system-prompt (''): must be text of 1 to 200000 characters",
            ],
        ),
        (["x", "--set", "max_tokens=9"], ["there is no 'max_tokens': use temperature, topP, max"]),
        (["x", "--set", "seed=1", "--set", "seed=2"], ["seed is given twice: give it once"]),
    ],
    ids=["values", "name", "twice"],
)
def test_a_question_that_would_be_refused_is_not_sent(
    args: list[str], told: list[str], desk: Place, service: Simulator
) -> None:
    before = service.totals()["posts"]
    done = ask(desk, *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert [each for each in told if each not in done.stderr] == []
    assert service.totals()["posts"] == before


def test_what_a_terminal_obeys_is_taken_out_and_a_pipe_gets_the_text_as_it_is(
    desk: Place,
) -> None:
    assert "\x1b[31mred" in ask(desk, HOSTILE).stdout
    with Terminal(desk, "ask", HOSTILE) as shown:
        wait_until(shown.ended)
        raw = shown.raw()
    assert "\x1b[2m**Simulated" in raw
    assert "\x1b[31m" not in raw
    assert "\x1b]" not in raw
    assert "stop; tokens " in raw


def test_ctrl_c_ends_it_and_says_that_it_may_be_billed(desk: Place) -> None:
    with Terminal(desk, "ask", "What? [[sim: latency=9]]") as asking:
        wait_until(lambda: "Simulated" in asking.seen())
        asking.type("\x03")
        wait_until(asking.ended)
        assert asking.process.returncode == 130
        assert "interrupted. The provider may go on and bill it (taskUUID " in asking.seen()


def test_without_a_key_it_is_simulated_and_says_so_and_leaves_nothing(place: Place) -> None:
    done = ask(place, "What happens?", "--video", VIDEO, SIMULATOR_LATENCY="0")
    assert done.returncode == 0
    assert done.stdout.startswith("[simulated] clip.mp4: ")
    assert done.stderr.startswith("RUNWARE_API_KEY is not set: the provider is SIMULATED.")
    assert done.stderr.endswith("(SIMULATED: no video was looked at, nothing was billed)\n")
    assert place.strays() == []
    assert not place.data.exists()


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGKILL])
def test_however_it_ends_its_simulator_ends_with_it(kind: signal.Signals, place: Place) -> None:
    asking = subprocess.Popen(
        [COMMAND, "ask", "What?"],
        env=place.env | {"SIMULATOR_LATENCY": "60"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert asking.stderr
    wait_until(lambda: b"Simulated" in asking.stderr.readline())
    asking.send_signal(kind)
    _, said = asking.communicate(timeout=10)
    assert asking.returncode == (-9 if kind is signal.SIGKILL else 130)
    assert kind is signal.SIGKILL or b"It was simulated: nothing is billed." in said
    wait_until(lambda: not place.processes())
