"""Standard input, output and errors that are closed, or of another encoding than UTF-8."""

import subprocess
import time
from pathlib import Path

import pytest
import requests
from simulator_driver import wait_until
from stack_driver import COMMAND, Done, Place, Up

FINE = {"prompt": "What happens?", "video": "https://example.com/clip.mp4"}


@pytest.fixture(scope="module")
def known(running: Place) -> str:
    """Give the name of a batch that has ended, of one row."""
    done = running.run("submit", running.manifest("streams", FINE), "--watch")
    assert done.returncode == 0, done.stderr
    return "streams"


def in_a_shell(place: Place, line: str, **settings: str) -> Done:
    """Run `$R` and what follows as a shell does, its input, output and errors as the line says."""
    return subprocess.run(
        ["/bin/sh", "-c", line],
        env=place.env | {"R": COMMAND} | settings,
        cwd=place.cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("retry streams --cancelled <&-", 0, "nothing to retry"),
        ("cancel streams <&-", 0, "nothing to cancel"),
        ("prune streams <&-", 2, "say --yes"),
        ("quarantine --drop --all <&-", 0, "0 dropped"),
        ("submit - --name nothing <&-", 1, "holds no rows"),
        ("submit streams.jsonl --yes <&- >&-", 0, "0 jobs queued, 1 known before"),
        ("results streams -o out.csv >&-", 0, "1 rows written to out.csv"),
        ("results streams >&-", 1, "standard output is closed"),
        ("list >&-", 1, "standard output is closed"),
        ("submit streams.jsonl --preview 2 >&-", 1, "standard output is closed"),
        ("--help >&-", 1, "standard output is closed"),
        ("--help >/dev/full", 1, "standard output: No space left on device"),
        ("submit --help >/dev/full", 1, "standard output: No space left on device"),
        ("results streams >/dev/full", 1, "No space left on device"),
    ],
)
def test_a_closed_stream_is_an_empty_one_but_what_is_written_is_not_lost_without_a_word(
    running: Place, known: str, line: str, code: int, told: str
) -> None:
    assert known
    done = in_a_shell(running, f'"$R" {line}')
    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_data_is_written_though_nobody_gets_the_remarks(running: Place, known: str) -> None:
    done = in_a_shell(running, f'"$R" results {known} <&- 2>&-')
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)


def test_up_goes_on_though_nothing_that_it_says_can_be_written(place: Place) -> None:
    up = Up(place, Path("/dev/full"))
    try:
        wait_until(lambda: _is_up(place), 60)
        time.sleep(1)  # by now it has said that all is ready
        assert up.process.poll() is None
        assert up.stop() == 0
    finally:
        up.close()


def _is_up(place: Place) -> bool:
    try:
        return requests.get(f"{place.flower}/healthcheck", timeout=5).ok
    except requests.ConnectionError:
        return False


def test_run_writes_its_table_though_nothing_that_it_says_can_be_written(place: Place) -> None:
    line = f'"$R" run {place.manifest("unsaid", FINE)} -o out.jsonl >/dev/full 2>&1'
    assert in_a_shell(place, line).returncode == 0
    assert (place.cwd / "out.jsonl").read_text().count("\n") == 1


@pytest.mark.parametrize(
    ("line", "encoding"),
    [("submit --help", "latin-1"), ("watch streams --once", "ascii"), ("ask --help", "euc_jp")],
)
def test_what_an_encoding_lacks_is_written_as_an_escape(
    running: Place, known: str, line: str, encoding: str
) -> None:
    assert known
    done = in_a_shell(running, f'"$R" {line} >/dev/null', PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_place_without_any_language_serves_as_well(running: Place, known: str) -> None:
    none = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = in_a_shell(running, f'"$R" list && "$R" results {known}', **none)
    assert (done.returncode, done.stderr) == (0, "")
    assert "streams" in done.stdout
