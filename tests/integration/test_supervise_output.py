"""What children say: on the terminal, and in their logs."""

import io
import json
import os
import pty
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from simulator_driver import wait_until
from supervise_driver import CHECKOUT, DRIVER, ENV, SLEEPS, Ground, program

from console.supervise import Child, Supervisor


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def test_no_line_moves_the_cursor_or_looks_like_anothers(ground: Ground) -> None:
    lines = b"a\x1b[2K\x1b[1Gb\rweb   | forged\n\xc2\x9b31m\x1b]0;title\x07\ttab \xff \xc3\xa9\n"
    code = f"import os, time; os.write(1, {lines!r}); os.write(2, b'up\\n'); time.sleep(600)"
    echo = io.StringIO()
    with ground.running(ground.child("store", code), ground.child("web"), echo=echo):
        pass
    assert echo.getvalue().split("\n") == [
        "store | abweb   | forged",
        "store | 31m]0;title\ttab \ufffd é",
        "store | up",
        "web   | up",
        "",
    ]
    assert ground.events("store") == ["abweb   | forged", "31m]0;title\ttab \ufffd é", "up"]


def test_an_echo_that_is_gone_does_not_stop_a_child(ground: Ground) -> None:
    echo = io.StringIO()
    supervisor = ground.supervisor(ground.child("store"), echo=echo)
    echo.close()
    with supervisor:
        supervisor.start(threading.Event())
        assert ground.events("store") == ["up"]


def test_a_full_log_is_put_aside(ground: Ground) -> None:
    log = ground.folder / "store.log"
    with log.open("wb") as file:
        file.truncate(10 * 1024 * 1024)
    code = "import time; print('old'); print('new', flush=True); time.sleep(600)"
    store = Child("store", program(code), ENV, ready=lambda: "new" in ground.log("store"))
    with ground.running(store):
        assert ground.events("store") == ["new"]
    aside = (ground.folder / "store.log.1").read_bytes()
    assert json.loads(aside.rpartition(b"\0")[2])["event"] == "old"


def test_a_folder_of_logs_that_is_deleted_is_made_again_for_what_comes(ground: Ground) -> None:
    code = (
        "import time\nprint('up', flush=True)\nwhile True: print('on', flush=True); time.sleep(0.1)"
    )
    logs = ground.folder / "logs"
    kept = logs / "store.log"
    store = Child("store", program(code), ENV, ready=kept.exists)
    with Supervisor([store], logs=logs, records=ground.folder) as supervisor:
        supervisor.start(threading.Event())
        wait_until(lambda: b'"on"' in kept.read_bytes())
        shutil.rmtree(logs.rename(ground.folder / "old"))  # at once, under the next line
        wait_until(lambda: kept.exists() and b'"on"' in kept.read_bytes())
        assert (logs.stat().st_mode & 0o777, kept.stat().st_mode & 0o777) == (0o700, 0o600)


@pytest.mark.parametrize(("env", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_names_are_coloured_on_a_terminal_that_allows_it(
    ground: Ground, env: dict[str, str], *, coloured: bool
) -> None:
    master, slave = pty.openpty()
    argv = [sys.executable, "-c", DRIVER, str(ground.folder), SLEEPS]
    terminal = ENV | {"TERM": "xterm"} | env
    shown = b""
    with subprocess.Popen(argv, cwd=CHECKOUT, stdout=slave, env=terminal) as driver:
        os.close(slave)
        while shown.count(b"\n") < 2:
            shown += os.read(master, 1000)
        driver.kill()
    os.close(master)
    assert (b"\x1b[36mstore\x1b[0m | up" in shown.splitlines()) is coloured
    assert (b"store | up" in shown.splitlines()) is not coloured
