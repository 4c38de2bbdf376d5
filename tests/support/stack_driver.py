"""Runs `reelqueue up` in a folder of its own, and the other verbs beside it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simulator_driver import Simulator, sha256, wait_until
from store_driver import free_port

from tasks.store import Store

COMMAND = str(Path(sys.executable).with_name("reelqueue"))
KEY = "rw-test-key"
Done = subprocess.CompletedProcess[str]


class Place:
    """A folder with a home, a temporary folder, a working folder and a data folder in it.

    Whatever a process leaves outside the data folder is seen in the other three.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self.data = folder / "data folder"
        self.cwd, self.home, self.tmp = (folder / name for name in ("cwd", "home", "tmp"))
        for each in (self.cwd, self.home, self.tmp):
            each.mkdir(exist_ok=True)
        self.ports = (free_port(), free_port())
        self.flower = f"http://127.0.0.1:{self.ports[1]}"
        own = {
            "HOME": str(self.home),
            "TMPDIR": str(self.tmp),
            "REELQUEUE_DATA_DIR": str(self.data),
            "REELQUEUE_PORT": str(self.ports[0]),
            "REELQUEUE_FLOWER_PORT": str(self.ports[1]),
        }
        self.env = os.environ | own | settings

    def run(self, *args: str, timeout: float = 60, **settings: str) -> Done:
        """Run a verb to its end; its input is no terminal."""
        return subprocess.run(
            [COMMAND, *args],
            env=self.env | settings,
            cwd=self.cwd,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def manifest(self, name: str, *rows: Mapping[str, Any]) -> str:
        """Write a manifest into the working folder; returns its file name."""
        lines = "".join(
            json.dumps({"custom_id": f"row-{i}"} | dict(row)) + "\n" for i, row in enumerate(rows)
        )
        (self.cwd / f"{name}.jsonl").write_text(lines, encoding="utf-8")
        return f"{name}.jsonl"

    def results(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a batch's table."""
        shown = self.run("results", name)
        assert shown.returncode == 0, shown.stderr
        return [json.loads(line) for line in shown.stdout.splitlines()]

    def status(self, name: str) -> dict[str, Any]:
        """Return a batch object."""
        shown = self.run("status", name, "--json")
        assert shown.returncode == 0, shown.stderr
        batch: dict[str, Any] = json.loads(shown.stdout)
        return batch

    def processes(self) -> dict[int, str]:
        """Return all living processes that work on the data folder: pid to argv."""
        mark = f"REELQUEUE_DATA_DIR={self.data}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and mark in _read(entry / "environ").split(b"\0"):
                found[int(entry.name)] = _read(entry / "cmdline").replace(b"\0", b" ").decode()
        return found

    def strays(self) -> list[str]:
        """Return what was left outside the data folder, and what still runs or listens."""
        files = [str(path) for each in (self.cwd, self.home, self.tmp) for path in each.rglob("*")]
        listening = [str(port) for port in self.ports if f":{port:04X} " in _listening()]
        return files + listening + list(self.processes().values())

    def log(self, name: str) -> str:
        """Return a child's log so far."""
        return _read(self.data / "logs" / f"{name}.log").decode()


class Up:
    """A running `reelqueue up`; what it says goes into a file."""

    def __init__(self, place: Place, says_into: Path | None = None) -> None:
        self.place = place
        self._said = says_into or place.data.parent / "up.said"
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [COMMAND, "up"],
                env=place.env,
                cwd=place.cwd,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        """What it printed so far."""
        return self._said.read_text(encoding="utf-8")

    @property
    def children(self) -> dict[str, int]:
        """The pids of the children, by name."""
        rows = json.loads(_read(self.place.data / "children.json") or b"[]")
        return {row["name"]: row["pid"] for row in rows}

    def knows(self, old: Mapping[str, int]) -> bool:
        """Whether any of these children is recorded as running."""
        return not set(self.children.values()).isdisjoint(old.values())

    def await_ready(self) -> None:
        """Wait until it says so."""
        wait_until(lambda: "Ready." in self.said or self.process.poll() is not None, 60)
        assert self.process.poll() is None, self.said

    def stop(self, kind: signal.Signals = signal.SIGTERM, within: float = 10) -> int:
        """Send a signal and wait; returns the exit code."""
        self.process.send_signal(kind)
        return self.process.wait(within)

    def close(self) -> None:
        """End it whatever it is doing, its children too."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        wait_until(lambda: not self.place.processes(), 10)


@contextmanager
def up(place: Place) -> Iterator[Up]:
    """Run `up` for the length of a block; on entry it is ready."""
    running = Up(place)
    try:
        running.await_ready()
        yield running
    finally:
        running.close()


def real(simulator: Simulator, **settings: str) -> dict[str, str]:
    """Return the settings under which a simulator of ours stands for the real service."""
    return {"RUNWARE_BASE_URL": simulator.v1, "RUNWARE_API_KEY": KEY, **settings}


def by_uuid(simulator: Simulator) -> dict[str, dict[str, Any]]:
    """Return the truth table's tasks by taskUUID."""
    return {task["taskUUID"]: task for task in simulator.truth("?tasks=1")["tasks"]}


def assert_true(rows: Sequence[Mapping[str, Any]], simulator: Simulator) -> None:
    """See that a table says what really happened: every result once, every cost once."""
    assert rows
    truth = by_uuid(simulator)
    for uuid in {row["task_uuid"] for row in rows}:
        told = sorted(
            (
                row["error_code"] or "",
                sha256(row["text"]) or "",
                round((row["cost"] or 0) * 1_000_000_000),
            )
            for row in rows
            if row["task_uuid"] == uuid
        )
        really = sorted(
            (result["code"] or "", result["text_sha256"] or "", result["cost_nano"])
            for result in truth[uuid]["results"]
        )
        assert told == really
        assert truth[uuid]["purchases"] == 1


def _listening() -> str:
    lines = _read(Path("/proc/net/tcp")).decode().splitlines()
    return "\n".join(line for line in lines if " 0A " in line)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has gone, or is not ours to see
        return b""


def store_of(place: Place) -> Store:
    """Open the store of a running `up`."""
    url = (place.data / "secrets" / "redis_url").read_text(encoding="utf-8")
    return Store.open(url, "reelqueue")
