"""Every form of a manifest, and what stands on the command line beside it."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from simulator_driver import Simulator, wait_until
from stack_driver import COMMAND, Done, Place

URL = "https://example.com/clip.mp4"
TABLE = f"custom_id,video,camera,maxTokens\na,{URL},north,900\nb,{URL},Süd,\n"


def piped(place: Place, text: str, *args: str) -> Done:
    """Run a verb with a text on its input."""
    return ran(place, [COMMAND, *args], text)


def ran(place: Place, argv: list[str], text: str) -> Done:
    return subprocess.run(
        argv,
        env=place.env,
        cwd=place.cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        input=text,
    )


def shown(done: Done) -> list[dict[str, object]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_table_and_a_prompt_become_the_requests_that_were_shown_before(
    running: Place, provider: Simulator
) -> None:
    (running.cwd / "night.csv").write_text(TABLE, encoding="utf-16")
    args = ("night.csv", "--prompt", 'What does {camera} see? {"a": 1}', "--set", "maxTokens=50")
    before = provider.sent()
    first = shown(running.run("submit", *args, "--preview", "5"))
    assert provider.sent() == before
    assert [task["messages"] for task in first] == [
        [{"role": "user", "content": f'What does {camera} see? {{"a": 1}}'}]
        for camera in ("north", "Süd")
    ]
    assert [task["settings"] for task in first] == [{"maxTokens": 900}, {"maxTokens": 50}]
    done = running.run("submit", *args, "--watch")
    assert done.returncode == 0, done.stderr
    rows = running.results("night")
    assert [(row["custom_id"], row["camera"]) for row in rows] == [("a", "north"), ("b", "Süd")]
    again = shown(running.run("submit", *args, "--preview", "5"))
    assert [task["taskUUID"] for task in again] == [row["task_uuid"] for row in rows]
    assert str(again[0]["webhookURL"]).endswith("/webhooks/runware?(token)")


def test_standard_input_is_kept_until_it_is_queued(running: Place) -> None:
    args = ("submit", "-", "--format", "csv", "--name", "piped", "--prompt", "Why?")
    kept = running.data / "spool" / "piped.csv"
    done = piped(running, f"{TABLE}c,no file,,\n", *args)
    assert done.returncode == 1
    assert "line 4, video ('no file'): no such file: no file" in done.stderr
    assert f"what came on standard input is kept: {kept}" in done.stderr
    assert kept.read_text(encoding="utf-8").endswith("c,no file,,\n")
    done = piped(running, TABLE, *args)
    assert done.returncode == 0, done.stderr
    assert "batch piped: 2 jobs queued" in done.stderr
    assert list(kept.parent.iterdir()) == []


def test_what_came_on_standard_input_is_half_kept_by_no_end(running: Place) -> None:
    argv = [COMMAND, "submit", "-", "--name", "cut"]
    folder = running.data / "spool"
    for how, code in ((signal.SIGKILL, -9), (signal.SIGTERM, 130)):
        with subprocess.Popen(
            argv, env=running.env, cwd=running.cwd, stdin=subprocess.PIPE, stderr=subprocess.PIPE
        ) as command:
            kept = folder / f".cut.jsonl.{command.pid}.part"
            wait_until(kept.exists)
            command.send_signal(how)
            assert command.wait(20) == code
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("verb", ["submit", "estimate"])
def test_a_preview_needs_nothing_running_and_leaves_nothing(place: Place, verb: str) -> None:
    (place.cwd / "clips").mkdir()
    (place.cwd / "clips" / "7 🎬.mp4").write_bytes(b"x")
    args = (verb, "clips", "--prompt", "What is in {custom_id}?", "--preview", "3")
    (task,) = shown(place.run(*args))
    assert task["inputs"] == {"videos": ["(media UUID of 7 🎬.mp4 when it is uploaded)"]}
    assert task["messages"] == [{"role": "user", "content": "What is in 7 🎬.mp4?"}]
    assert not place.data.exists()


def test_a_preview_shows_the_address_that_callbacks_will_come_to(place: Place) -> None:
    args = ("submit", place.manifest("films", {"prompt": "What?"}), "--preview", "1")
    public = {"PUBLIC_URL": "https://me.example"}
    real = {"RUNWARE_API_KEY": "x"}
    ours = f"http://127.0.0.1:{place.ports[0]}"
    for settings, address in (
        (real, None),
        (real | public, public["PUBLIC_URL"]),
        ({}, ours),  # `up` without a key runs the simulator
        (public, ours),
        (public | {"REDIS_URL": "redis://127.0.0.1:1"}, public["PUBLIC_URL"]),
    ):
        (task,) = shown(place.run(*args, **settings))
        assert task.get("webhookURL") == (address and f"{address}/webhooks/runware?(token)")


def test_a_stream_that_has_a_name_is_told_to_give_the_batch_one(place: Place) -> None:
    os.mkfifo(place.cwd / "night.jsonl")
    done = place.run("submit", "night.jsonl")
    assert done.returncode == 1
    assert "a stream (night.jsonl) has no name that the batch could have: give" in done.stderr


def test_a_pattern_is_a_batch_by_the_name_of_its_folder(place: Place) -> None:
    (place.cwd / "clips").mkdir()
    (place.cwd / "clips" / "7.mp4").write_bytes(b"x")
    args = ("--prompt", "What?", "--preview", "3")
    (task,) = shown(place.run("submit", "clips/**/*.mp4", *args))
    assert task["inputs"] == {"videos": ["(media UUID of 7.mp4 when it is uploaded)"]}
    (place.cwd / "a b").mkdir()
    done = place.run("submit", "a b/*.mp4", *args)
    assert (done.returncode, done.stdout) == (1, "")
    assert "'a b' is no batch name" in done.stderr


@pytest.mark.parametrize("verb", ["submit", "estimate"])
def test_an_empty_name_of_a_manifest_is_not_taken_for_this_folder(place: Place, verb: str) -> None:
    (place.cwd / "7.mp4").write_bytes(b"clip")
    args = ["--prompt", "?"]
    assert place.run(verb, ".", *args, "--preview", "1").returncode == 0
    done = place.run(verb, "", *args, "--preview", "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "FILE is empty: name a manifest, or . for this folder" in done.stderr


@pytest.mark.parametrize("name", ["-x", "--", ".", "..", ".x", "batch_0123456789abcdef0123"])
def test_no_batch_is_given_a_name_that_a_verb_would_take_for_something_else(
    place: Place, name: str
) -> None:
    (place.cwd / f"{name}.jsonl").write_text('{"custom_id": "a", "prompt": "What?"}\n')
    done = place.run("submit", f"--name={name}", f"./{name}.jsonl", "--preview", "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "with neither . nor - first, and not as ids are" in done.stderr
    done = place.run("submit", f"./{name}.jsonl", "--preview", "1")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"'{name}' is no batch name" in done.stderr
    assert "give --name" in done.stderr
    done = place.run("submit", "--name=_x.1-", f"./{name}.jsonl", "--preview", "1")
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (["-"], 1, "standard input has no name that the batch could have: give --name"),
        (["a.mp4", "b.mp4"], 2, "2 files are given: quote the pattern"),
        (["x.csv", "--prompt", "a", "--prompt-file", "b"], 2, "--prompt and --prompt-file"),
        (["x.csv", "--set", "maxTokens=0"], 1, "--set maxTokens (0): must be a whole number"),
        (["x.csv", "--passenger", "seed"], 2, "seed is a field of the request"),
        (["x.csv", "--media-root", "none"], 2, "Directory 'none' does not exist"),
        (["x.csv", "--preview", "9" * 20], 2, "is not in the range 1<=x<=1000000"),
        (["x.csv"], 1, "cannot read x.csv: No such file or directory"),
    ],
)
def test_a_command_that_cannot_be_meant_is_refused_with_the_fix(
    args: list[str], code: int, told: str, place: Place
) -> None:
    done = place.run("submit", "--preview", "1", *args)
    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr
    assert not place.data.exists() or not any(Path(place.data).iterdir())


def test_a_name_in_an_error_moves_no_cursor(place: Place) -> None:
    done = place.run("submit", "a\x1b\x07\u202eb.csv", "--name", "x", "--preview", "1")
    assert done.returncode == 1
    assert done.stderr == "reelqueue: cannot read ab.csv: No such file or directory\n"


def test_a_manifest_that_the_temporary_folder_has_no_room_for_is_told_with_the_fix(
    place: Place,
) -> None:
    rows = (json.dumps({"custom_id": str(n), "prompt": "?" * 10_000}) for n in range(800))
    (place.cwd / "large.jsonl").write_text("\n".join(rows), encoding="utf-8")
    full = f'ulimit -f 8000; exec "{COMMAND}" submit large.jsonl --preview 1'  # blocks of 512 bytes
    done = ran(place, ["/bin/sh", "-c", full], "")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "a temporary file cannot be written" in done.stderr
    assert "make room, or name another folder in SQLITE_TMPDIR" in done.stderr
    assert "Traceback" not in done.stderr
