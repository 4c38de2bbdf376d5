"""Real children of a few lines each; where the supervisor itself is killed, a driver runs it."""

import io
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from simulator_driver import wait_until

from console import orphan
from console.supervise import Child, ChildFailed, Supervisor

CHECKOUT = Path(__file__).parents[2]
ENV = {"PATH": os.environ["PATH"], "SECRET": "sesame"}

SLEEPS = "import time; print('up', flush=True); time.sleep(600)"
IGNORES_SIGTERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"
HAS_A_STUBBORN_CHILD = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {IGNORES_SIGTERM!r}])
time.sleep(600)
"""
DRIVER = """
import sys, threading
from pathlib import Path
from console.supervise import Child, Supervisor

folder, code, env = Path(sys.argv[1]), sys.argv[2], {}
children = [Child(name, [sys.executable, "-c", code], env) for name in ("store", "web")]
with Supervisor(children, logs=folder, records=folder, echo=sys.stdout) as supervisor:
    supervisor.start(threading.Event())
    supervisor.watch(threading.Event())
"""

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next run ends them")


def lives(pid: int) -> bool:
    argv = ["ps", "-o", "stat=", "-p", str(pid)]
    state = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()
    return bool(state) and not state.startswith("Z")


def group(pid: int) -> list[int]:
    argv = ["ps", "-e", "-o", "pid=,pgid=,stat="]
    rows = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    return [int(row.split()[0]) for row in rows if row.split()[1] == str(pid) and "Z" not in row]


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


@contextmanager
def setting(event: threading.Event, when: Callable[[], object]) -> Iterator[None]:
    """Set the event once something holds, while this thread is inside the supervisor."""
    failure: list[AssertionError] = []

    def wait() -> None:
        try:
            wait_until(when)
        except AssertionError as error:
            failure.append(error)
        event.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    try:
        yield
    finally:
        waiter.join()
    assert not failure


class Ground:
    """One folder for logs and records, and what can be seen there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record = folder / "children.json"

    def supervisor(self, *children: Child, echo: io.StringIO | None = None) -> Supervisor:
        return Supervisor(children, logs=self.folder, records=self.folder, echo=echo)

    @contextmanager
    def running(self, *children: Child, echo: io.StringIO | None = None) -> Iterator[Supervisor]:
        with self.supervisor(*children, echo=echo) as supervisor:
            supervisor.start(threading.Event())
            yield supervisor

    @contextmanager
    def driver(self, code: str) -> Iterator[subprocess.Popen[bytes]]:
        argv = [sys.executable, "-c", DRIVER, str(self.folder), code]
        with subprocess.Popen(argv, cwd=CHECKOUT, stdout=subprocess.DEVNULL) as process:
            try:
                wait_until(lambda: "up" in self.log("store") and "up" in self.log("web"))
                yield process
            finally:
                process.kill()

    def child(self, name: str, code: str = SLEEPS, **limits: float) -> Child:
        """Return a child that is ready once its log says so."""
        return Child(name, program(code), ENV, ready=lambda: "up" in self.log(name), **limits)

    def log(self, name: str) -> str:
        with suppress(FileNotFoundError):
            return (self.folder / f"{name}.log").read_text(encoding="utf-8")
        return ""

    def events(self, name: str) -> list[str]:
        return [json.loads(line)["event"] for line in self.log(name).splitlines()]

    def rows(self) -> list[dict[str, Any]]:
        with suppress(FileNotFoundError):
            return json.loads(self.record.read_text(encoding="utf-8"))
        return []

    def pids(self) -> dict[str, int]:
        return {row["name"]: row["pid"] for row in self.rows()}


def program(code: str) -> list[str]:
    return [sys.executable, "-c", code, "--key=sesame"]


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


# Starting


def test_a_child_is_started_once_all_before_it_are_ready(ground: Ground) -> None:
    asked: list[tuple[str, list[str]]] = []

    def child(name: str) -> Child:
        def ready() -> bool:
            asked.append((name, list(ground.pids())))
            return [who for who, _ in asked].count(name) == 2

        return Child(name, program(SLEEPS), ENV, ready)

    with ground.running(child("store"), child("web"), child("worker")):
        assert list(ground.pids()) == ["store", "web", "worker"]
    assert asked == [
        *[("store", ["store"])] * 2,
        *[("web", ["store", "web"])] * 2,
        *[("worker", ["store", "web", "worker"])] * 2,
    ]


def test_a_child_that_is_never_ready_ends_the_start_with_its_last_lines(ground: Ground) -> None:
    code = "import time\nfor i in range(20): print('line', i, flush=True)\ntime.sleep(600)"
    seen: dict[str, int] = {}

    def never() -> bool:
        seen.update(ground.pids())
        return False

    web = Child("web", program(code), ENV, never, ready_within=1)
    with pytest.raises(ChildFailed) as failure:
        ground.supervisor(ground.child("store"), web).start(threading.Event())

    assert str(failure.value).startswith(
        "web was not ready within 1 s; its last lines:\n  line 5\n"
    )
    assert failure.value.tail == tuple(f"line {i}" for i in range(5, 20))
    assert failure.value.status is None
    assert list(seen) == ["store", "web"]
    assert not any(map(lives, seen.values()))
    assert not ground.record.exists()


def test_a_child_that_ends_before_it_is_ready_ends_the_start_with_its_status(
    ground: Ground,
) -> None:
    web = ground.child("web", "import sys; print('port taken', file=sys.stderr); sys.exit(7)")
    with pytest.raises(ChildFailed) as failure:
        ground.supervisor(web).start(threading.Event())
    assert str(failure.value) == "web ended with status 7; its last lines:\n  port taken"
    assert (failure.value.name, failure.value.status) == ("web", 7)


def test_a_death_before_all_are_ready_is_blamed_on_the_one_that_died(ground: Ground) -> None:
    def ready() -> bool:
        kill(ground.pids()["store"])
        return False

    web = Child("web", program(SLEEPS), ENV, ready)
    with pytest.raises(ChildFailed, match="store was killed by signal 9"):
        ground.supervisor(ground.child("store"), web).start(threading.Event())


def test_a_missing_program_is_named_without_its_arguments(ground: Ground) -> None:
    missing = Child("web", ["/no/such-program", "--key=sesame"], ENV, ready=lambda: False)
    with pytest.raises(ChildFailed) as failure:
        ground.supervisor(missing).start(threading.Event())
    assert failure.value.tail == ("cannot start such-program: No such file or directory",)
    assert "sesame" not in repr(missing) + repr(failure.value)


def test_start_returns_at_once_when_told_to_stop(ground: Ground) -> None:
    never = Child("store", program(SLEEPS), ENV, ready=lambda: False, ready_within=60)
    stop = threading.Event()
    with ground.supervisor(never, ground.child("web")) as supervisor:
        with setting(stop, when=ground.pids):
            supervisor.start(stop)
            returned = time.monotonic()
        pids = ground.pids()
        supervisor.watch(stop)
        supervisor.stop()
        assert time.monotonic() - returned < 2
    assert list(pids) == ["store"]
    assert not lives(pids["store"])


# Watching


def test_killed_children_are_restarted_and_the_others_left_alone(ground: Ground) -> None:
    stop, killed = threading.Event(), ("web", "worker")
    with ground.running(*map(ground.child, ("store", "web", "worker"))) as supervisor:
        before = ground.pids()
        for name in killed:
            kill(before[name])
        with setting(stop, when=lambda: all(ground.log(name).count("up") == 2 for name in killed)):
            supervisor.watch(stop)
        after = ground.pids()
        assert after["store"] == before["store"]
        assert all(after[name] != before[name] and lives(after[name]) for name in killed)
    assert "was killed by signal 9; starts again in 0.5 s" in ground.events("web")


def test_a_restart_that_waits_to_be_ready_holds_nobody_up(ground: Ground) -> None:
    starts: set[int] = set()

    def only_the_first_time() -> bool:
        starts.add(ground.pids()["web"])
        return len(starts) == 1

    web = Child("web", program(SLEEPS), ENV, only_the_first_time, ready_within=60)
    stop = threading.Event()

    with ground.running(ground.child("store"), web) as supervisor:
        pids = ground.pids()

        def another_dies_and_returns() -> bool:
            if len(starts) == 2 and pids:
                kill(pids.pop("store"))
                pids.clear()
            return ground.log("store").count("up") == 2

        kill(pids["web"])
        with setting(stop, when=another_dies_and_returns):
            supervisor.watch(stop)
    assert len(starts) == 2


def test_a_child_that_dies_five_times_ends_all_with_its_last_lines(ground: Ground) -> None:
    go = ground.folder / "go"
    code = f"""
import pathlib, sys, time
print("up", flush=True)
while not pathlib.Path({str(go)!r}).exists():
    time.sleep(0.01)
sys.exit("no room")
"""
    with ground.running(ground.child("store"), ground.child("web", code)) as supervisor:
        pids = ground.pids()
        go.touch()
        with pytest.raises(ChildFailed) as failure:
            supervisor.watch(threading.Event())
    assert str(failure.value).startswith("web ended with status 1, its death number 5 in a row; ")
    assert failure.value.tail[-2:] == ("up", "no room")
    assert ground.log("web").count("no room") == 5
    assert not lives(pids["store"])
    assert not ground.record.exists()


# Stopping


def test_the_first_child_is_ended_after_all_others(ground: Ground) -> None:
    ended = ground.folder / "ended"

    def slow_to_end(name: str, seconds: float) -> Child:
        code = f"""
import signal, sys, time
def end(*_):
    time.sleep({seconds})
    open({str(ended)!r}, "a").write("{name} ")
    sys.exit()
signal.signal(signal.SIGTERM, end)
{SLEEPS}"""
        return ground.child(name, code)

    slow = [("store", 0.0), ("web", 0.8), ("worker", 0.4)]
    with ground.running(*(slow_to_end(name, seconds) for name, seconds in slow)):
        pass
    assert ended.read_text(encoding="ascii") == "worker web store "


def test_a_child_that_ignores_sigterm_delays_the_stop_only_within_ten_seconds(
    ground: Ground,
) -> None:
    store = ground.child("store", stop_within=8)
    web = ground.child("web", IGNORES_SIGTERM, stop_within=60)
    worker = ground.child("worker", IGNORES_SIGTERM, stop_within=60)
    with ground.running(store, web, worker) as supervisor:
        pids = ground.pids()
        began = time.monotonic()
        supervisor.stop()
        # Of the nine seconds to spend, eight are kept for the store, which needs none.
        assert 1 <= time.monotonic() - began < 4
    assert not any(map(lives, pids.values()))
    assert not ground.record.exists()


def test_stopping_twice_or_before_any_start_does_nothing(ground: Ground) -> None:
    supervisor = ground.supervisor(ground.child("store"))
    supervisor.stop()
    supervisor.start(threading.Event())
    supervisor.stop()
    supervisor.stop()
    assert not ground.pids()


def test_a_stopped_childs_own_children_go_too(ground: Ground) -> None:
    with ground.running(ground.child("web", HAS_A_STUBBORN_CHILD)):
        pid = ground.pids()["web"]
        assert len(group(pid)) == 2
    assert not group(pid)


def test_a_dead_childs_own_children_are_gone_before_the_next_start(ground: Ground) -> None:
    stop = threading.Event()
    with ground.running(ground.child("web", HAS_A_STUBBORN_CHILD)) as supervisor:
        pid = ground.pids()["web"]
        kill(pid)
        with setting(stop, when=lambda: ground.pids()["web"] != pid):
            supervisor.watch(stop)
        assert not group(pid)


# Killed with -9


@linux_only
def test_a_killed_supervisor_leaves_no_child(ground: Ground) -> None:
    with ground.driver(SLEEPS) as driver:
        pids = ground.pids()
        assert all(map(lives, pids.values()))
        driver.kill()
        wait_until(lambda: not any(map(lives, pids.values())))
    assert list(pids) == ["store", "web"]


def test_what_a_killed_run_left_is_ended_by_the_next(ground: Ground) -> None:
    with ground.driver(IGNORES_SIGTERM) as driver:
        pids = ground.pids()
        driver.kill()
    assert all(map(lives, pids.values()))
    assert orphan.end_leftovers(ground.folder) == ["store", "web"]
    assert not any(map(lives, pids.values()))
    assert orphan.end_leftovers(ground.folder) == []
    assert not ground.record.exists()


def test_a_stranger_with_a_recorded_process_id_is_not_ended(ground: Ground) -> None:
    with ground.running(ground.child("store")):
        (row,) = ground.rows()
        ground.record.write_text(json.dumps([row | {"born": "earlier"}]), encoding="utf-8")
        assert orphan.end_leftovers(ground.folder) == []
        assert lives(row["pid"])


def test_a_recorded_child_that_has_ended_is_not_named(ground: Ground) -> None:
    with ground.running(ground.child("store")):
        rows = ground.rows()
    ground.record.write_text(json.dumps(rows), encoding="utf-8")
    assert orphan.end_leftovers(ground.folder) == []


# Output


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
