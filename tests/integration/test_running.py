"""Work beside real processes: it ends well after a first signal, and is cut short by a second."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from console.codes import INTERRUPTED
from console.ready import PORTS, free_port
from console.running import Stop, run_with
from console.stack import Stack
from console.supervise import Child

SLEEPS = "import time; time.sleep(600)"


@pytest.fixture
def stack() -> Stack:
    """Give a stack of one process that does nothing."""
    child = Child("store", [sys.executable, "-c", SLEEPS], {"PATH": os.environ["PATH"]})
    return Stack([child], "", None, simulated=True)


def children(folder: Path) -> str:
    return (folder / "children.json").read_text("utf-8")


def test_work_that_was_asked_to_stop_has_the_processes_until_it_ends(
    stack: Stack, tmp_path: Path
) -> None:
    seen: list[str] = []

    def work(stop: Stop) -> int:
        stop.ask()
        seen.extend(stop.cutting(children(tmp_path) for _ in range(3)))
        return INTERRUPTED

    assert run_with(stack, tmp_path, Stop(), work, None) == INTERRUPTED
    assert len(seen) == 3
    assert all("store" in each for each in seen)


def test_a_second_signal_cuts_the_work_short(stack: Stack, tmp_path: Path) -> None:
    seen: list[int] = []

    def work(stop: Stop) -> int:
        stop.ask()
        for number in stop.cutting(itertools.count()):
            seen.append(number)
            if number == 2:
                stop.ask()
        return 0

    with pytest.raises(KeyboardInterrupt):
        run_with(stack, tmp_path, Stop(), work, None)
    assert seen == [0, 1, 2]
    assert not (tmp_path / "children.json").exists()


def test_work_is_not_begun_after_a_signal(stack: Stack, tmp_path: Path) -> None:
    begun: list[Stop] = []
    stop = Stop()
    stop.ask()

    def work(stop: Stop) -> int:
        begun.append(stop)
        return 0

    assert run_with(stack, tmp_path, stop, work, None) == INTERRUPTED
    assert begun == []


@pytest.mark.parametrize(("ignored", "heard"), [(True, "False"), (False, "True")])
def test_a_hangup_stops_it_unless_it_was_started_with_nohup(*, ignored: bool, heard: str) -> None:
    lines = [
        "import os, signal",
        "from console.running import stop_on_signals",
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)" if ignored else "",
        "stop = stop_on_signals()",
        "os.kill(os.getpid(), signal.SIGHUP)",
        "print(stop.is_set())",
    ]
    argv = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == heard


def test_a_port_for_a_process_of_ours_is_none_that_connections_get() -> None:
    assert {free_port() for _ in range(50)} <= set(PORTS)
    assert PORTS[-1] < 32_768, "from there on Linux gives them to connections"
