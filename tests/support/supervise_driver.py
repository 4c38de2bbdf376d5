"""Real children of a few lines each; where the supervisor itself is killed, a driver runs it."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from simulator_driver import wait_until

from console.supervise import Child, Supervisor

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
