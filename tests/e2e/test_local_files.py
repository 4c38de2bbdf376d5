"""A folder of files through the real command: uploaded, analysed, and gone on with after Ctrl-C."""

import signal
import subprocess
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
import requests
from simulator_driver import Simulator, wait_until
from stack_driver import COMMAND, Place, assert_true


def folder(place: Path, name: str, *contents: bytes) -> Path:
    made = place / name
    made.mkdir()
    for n, content in enumerate(contents):
        (made / f"{n:02}.mp4").write_bytes(content)
    return made


def uploads(provider: Simulator) -> dict[int, int]:
    """Return how often each content was uploaded, by its size."""
    return {one["size"]: one["uploads"] for one in provider.truth("/media")["media"]}


@pytest.fixture
def slow(provider: Simulator) -> Iterator[Simulator]:
    """Give a provider whose media take a moment to be ready."""
    provider.change(media_delay=2)
    yield provider
    provider.change(media_delay=0)


def test_a_folder_is_uploaded_analysed_and_told_by_its_own_names(
    running: Place, provider: Simulator
) -> None:
    folder(running.cwd, "harbour", b"first video", b"second one", b"first video")
    done = running.run("submit", "harbour", "--prompt", "What happens?", "--watch")
    assert done.returncode == 0, done.stderr
    assert "batch harbour: 3 jobs queued" in done.stderr
    assert "2 files uploaded, 21 B sent, 1 there before" in done.stderr.replace("bytes", "B")
    rows = running.results("harbour")
    assert [row["custom_id"] for row in rows] == ["00.mp4", "01.mp4", "02.mp4"]
    assert_true(rows, provider)
    assert uploads(provider)[len(b"second one")] == 1
    page = f"{running.flower}/task/{rows[1]['job_id']}"
    wait_until(lambda: "'video': '01.mp4'" in unescape(requests.get(page, timeout=5).text), 20)
    again = running.run("submit", "harbour", "--prompt", "What happens?")
    assert "0 jobs queued, 3 known before" in again.stderr
    assert "uploaded" not in again.stderr


def test_rows_that_failed_are_submitted_again_by_what_is_told_of_their_files(
    running: Place, provider: Simulator
) -> None:
    folder(running.cwd, "torn", b"a torn video")
    provider.change(media_fail="invalidMedia")
    failed = running.run("submit", "torn", "--prompt", "What happens?", "--watch")
    provider.change(media_fail=None)
    assert failed.returncode == 3
    told = running.run("results", "torn", "--failed", "-o", "lacking.jsonl").stderr
    assert "Local files, such as 00.mp4, are named by their paths in the folder that was" in told
    refused = running.run("submit", "lacking.jsonl")
    assert refused.returncode == 1
    assert "no such file: 00.mp4; media are looked for beside the manifest, or in" in refused.stderr
    done = running.run("submit", "lacking.jsonl", "--media-root", "torn", "--watch")
    assert done.returncode == 0, done.stderr
    assert_true(running.results("lacking"), provider)


def test_ctrl_c_keeps_what_is_uploaded_and_the_same_command_goes_on(
    running: Place, slow: Simulator
) -> None:
    sizes = range(1_000, 1_030)
    folder(running.cwd, "pile", *(bytes([size % 251]) * size for size in sizes))
    argv = [COMMAND, "submit", "pile", "--prompt", "What happens?"]
    command = subprocess.Popen(
        argv, env=running.env, cwd=running.cwd, stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: set(sizes) & set(uploads(slow)))
    command.send_signal(signal.SIGINT)
    told = command.communicate(timeout=10)[1]
    assert command.returncode == 130, told
    assert "Traceback" not in told
    assert "of 30 rows are queued; the same command goes on from there" in told
    assert not set(sizes) <= set(uploads(slow)), "it was not stopped in the middle"
    slow.change(media_delay=0)
    done = running.run("submit", "pile", "--prompt", "What happens?")
    assert done.returncode == 0, done.stderr
    assert {uploads(slow)[size] for size in sizes} == {1}
    assert [row["custom_id"] for row in running.results("pile")] == [
        f"{n:02}.mp4" for n in range(30)
    ]


def test_nothing_is_checked_or_asked_twice_where_no_provider_can_take_files(
    running: Place,
) -> None:
    folder(running.cwd, "keyless", b"a video")
    done = running.run("submit", "keyless", "--prompt", "What happens?", RUNWARE_API_KEY="")
    assert done.returncode == 1
    assert "RUNWARE_API_KEY is not set" in done.stderr
    assert running.run("status", "keyless").returncode == 1
