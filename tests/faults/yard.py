"""A yard of real processes: store, simulated provider, workers, doors, and proxies between them."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
import requests
from core_driver import SECRET, row
from preload import Shim
from proxy import Proxy
from referee import Score, balance, score, unkept
from simulator_driver import ROOT, Simulator, wait_until
from stack_driver import COMMAND, KEY
from stage_driver import hasten
from store_driver import StoreServer, free_port, valkey_binary

from tasks import ids, reading
from tasks.errors import StoreAway
from tasks.job import ENDED, Record, State
from tasks.store import Store
from tasks.token import new_keys
from tasks.wire.request import dumps

HERE = Path(__file__).parent
QUICK = {
    "REELQUEUE_POLL_FIRST": "0.5",
    "REELQUEUE_POLL_MAX": "1",
    "REELQUEUE_RESOLVE_AFTER": "1.5",
    "REELQUEUE_WINDOW_START": "64",
}
"""Settings under which what takes minutes takes seconds."""
LONG = {"REELQUEUE_WINDOW_START": "6"}
"""So few slots that a batch takes a while."""
OFF = "webhook=off"
BLIND = "poll=forever_empty"
"""No poll shows it: what the door acknowledges and drops is made up for by nothing."""
CALM = 0.5
"""Seconds for which all must stay as it is when it is over: a purchase too many takes a moment."""
Task = tuple[str, int]
"""Directives for the simulator, and numberResults."""
KINDS: tuple[Task, ...] = (
    *(("", 1), ("webhook=dup:3", 3), (f"{OFF}", 2), ("fail=providerError*1", 1)),
    *(("errors=1", 3), ("identical", 2), ("ack=lost", 1), ("webhook=jitter:0.4,reverse", 4)),
)
"""One of each: what is quiet, repeated, silent, failing, partial, alike, lost, out of order."""


@dataclass(frozen=True)
class Told:
    """What came of one case."""

    score: Score
    events: int  # faults that were injected
    seconds: float | None  # from the end of the fault until all was over; None: nothing to recover


class Process:
    """One process of ours."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                argv, env=dict(env), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        self.pid = self._process.pid

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    @property
    def children(self) -> list[int]:
        """The pids of its children."""
        told = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(pid) for pid in told]

    def send(self, kind: signal.Signals) -> None:
        self._process.send_signal(kind)

    def end(self, kind: signal.Signals = signal.SIGKILL) -> None:
        """End it by a signal, stopped or not; one that is killed takes its children along."""
        if self.lives:
            children = self.children if kind is signal.SIGKILL else []
            self.send(signal.SIGCONT)
            self.send(kind)
            for pid in children:
                with suppress(ProcessLookupError):
                    os.kill(pid, kind)
        self._process.wait(20)


class Yard:
    """Everything that a batch needs to be done, each part with its own pid and its own lines.

    Attributes:
        store: Ours, past all proxies.
        worker_store, door_store: The lines from workers, and from doors, to the store.
        provider_line: The line from workers to the provider.
        callback_line: The line from the provider to the door.
        events: Faults injected, beside those that the lines count.
    """

    def __init__(  # noqa: PLR0917 - by keyword, all of them
        self,
        folder: Path,
        memory: str = "never",
        workers: int = 1,
        door: bool = True,  # noqa: FBT001, FBT002 - by keyword
        simulator: Sequence[str] = ("--latency", "0.3-0.9"),
        options: Sequence[str] = (),
        shims: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.folder, self.jobs, self.events = folder, list[str](), 0
        self._stack = ExitStack()
        self._healed: float | None = None
        self._unkept = 0
        self._log: Path | None = None
        self._journal = set[str]()  # of names, as the command keeps it on disk
        self.shims = {name: Shim(folder / f"shim-{name}") for name in shims}
        self.data = folder / "store"
        self.data.mkdir(parents=True)
        self.server = StoreServer(valkey_binary(), self.data, *options, env=self._shim("store"))
        self.server.start()
        self.simulator = Simulator("--remember", memory, *simulator)
        self.port = free_port()
        self.worker_store = self._line(self.server.port)
        self.door_store = self._line(self.server.port)
        self.provider_line = self._line(int(self.simulator.base.rpartition(":")[2]))
        self.callback_line = self._line(self.port)
        self.store = Store.open(self.server.url, "faults")
        self.secrets = new_keys()
        self.settings = QUICK | dict(settings or {})
        self.workers: list[Process] = []
        self.door: Process | None = None
        self._beginning(workers, door=door)

    def _beginning(self, workers: int, *, door: bool) -> None:
        try:
            if door:
                self.open_door()
            for _ in range(workers):
                self.hire()
            wait_until(lambda: self.answers() or not door, 30)
            wait_until(lambda: self.store.has_ticker() or not workers, 30)
        except BaseException:
            self.close()
            raise

    def _line(self, port: int) -> Proxy:
        return self._stack.enter_context(Proxy(port))

    def _shim(self, name: str) -> dict[str, str]:
        return self.shims[name].env if name in self.shims else {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all of it."""
        for process in (*self.workers, *([self.door] if self.door else [])):
            process.end()
        if self.simulator.process.poll() is None:
            self.simulator.process.kill()
            self.simulator.process.communicate()
        self.store.client.close()
        self.server.stop(signal.SIGKILL, at_once=True)
        self._stack.close()

    # -- processes

    def env(self, line: Proxy, **more: str) -> dict[str, str]:
        """Return the settings of a process whose store is at the end of a line."""
        own = {
            "HOME": str(self.folder),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "REELQUEUE_ENV_FILE": os.devnull,
            "REELQUEUE_DATA_DIR": str(self.folder / "data"),
            "REELQUEUE_NAMESPACE": "faults",
            "REELQUEUE_PORT": str(self.port),
            "REELQUEUE_SECRETS": self.secrets,
            "REELQUEUE_INSTALLATION_SECRET": SECRET.decode(),
            "REELQUEUE_SIMULATED": "true",
            "RUNWARE_API_KEY": KEY,
            "RUNWARE_BASE_URL": f"http://127.0.0.1:{self.provider_line.port}/v1",
            "REDIS_URL": f"redis://127.0.0.1:{line.port}/0",
        }
        public = {"PUBLIC_URL": f"http://127.0.0.1:{self.callback_line.port}"}
        return own | public | self.settings | more

    def log_to(self, file: str) -> None:
        """Let the processes started from now on write their logs there."""
        self._log = Path(file)

    def hire(self, **more: str) -> Process:
        """Start a worker; what it needs to crash goes into its environment."""
        env = self.env(self.worker_store, **self._shim(f"worker{len(self.workers)}"), **more)
        argv = [sys.executable, str(HERE / "crashing.py"), "worker.__main__"]
        self.workers.append(Process(argv, env, self._log or self.folder / "worker.log"))
        return self.workers[-1]

    def open_door(self, **more: str) -> Process:
        """Start the callback door."""
        env = self.env(self.door_store, **self._shim("door"), **more)
        argv = [sys.executable, str(HERE / "crashing.py"), "webhooks.__main__"]
        self.door = Process(argv, env, self._log or self.folder / "door.log")
        return self.door

    @property
    def log(self) -> bytes:
        """What the workers wrote so far."""
        return (self.folder / "worker.log").read_bytes()

    def supervise(self) -> None:
        """Start what has ended by itself again, as `up` and compose do."""
        for worker in [one for one in self.workers if not one.lives]:
            self.workers.remove(worker)
            self.hire()

    @property
    def pids(self) -> list[int]:
        """Of every process of workers and doors: the same at the end, where none may die."""
        workers = [worker.pid for worker in self.workers]
        return workers + ([self.door.pid, *self.door.children] if self.door else [])

    @contextmanager
    def nobody_polls(self) -> Iterator[None]:
        """Stop the workers for the length of a block."""
        for worker in self.workers:
            worker.send(signal.SIGSTOP)
        yield
        for worker in self.workers:
            worker.send(signal.SIGCONT)

    def answers(self) -> bool:
        """Whether the door could store a callback."""
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/readyz", timeout=2).ok
        except requests.RequestException:
            return False

    def kill_workers(self) -> None:
        """Kill all workers, and let time pass until what they held is free."""
        for worker in self.workers:
            worker.end()
            self.events += 1
        self.workers.clear()
        self.bury()

    def bury(self) -> None:
        """Let the leases and seats of dead workers run out now; how long they last is no matter.

        Only where no request of a worker is on its way.
        """
        hasten(self.store, "leases")
        for kind, number in (("submit", 4), ("poll", 4), ("settle", 1), ("sweep", 1)):
            for place in range(number):
                self.store.client.delete(self.store.keys("seat", f"{kind}:{place}"))
        messages = self.store.client.zrange("faults:unacked_index", 0, -1)
        if messages:  # that died with them
            self.store.client.zadd("faults:unacked_index", dict.fromkeys(messages, 1))

    # -- the store's disk

    def power_cut(self, cut: int | None = None) -> int:
        """Kill the store and take from its disk what was never synced, or the last `cut` bytes.

        Returns how many bytes are gone.
        """
        self.server.stop(signal.SIGKILL, at_once=True)
        history = self.history
        whole = history.stat().st_size
        kept = min(whole, self.synced if cut is None else max(0, whole - cut))
        os.truncate(history, kept)
        self.events += 1
        return whole - kept

    @property
    def synced(self) -> int:
        """How many bytes of the history would outlive a power cut."""
        return self.shims["store"].synced(self.history.name)

    @property
    def history(self) -> Path:
        """The append-only file that is written to."""
        return max(
            (self.data / "appendonlydir").glob("*.incr.aof"), key=lambda p: p.stat().st_mtime
        )

    def backup(self) -> Path:
        """Copy the store's folder as it is."""
        copy = self.folder / "backup"
        shutil.copytree(self.data, copy)
        return copy

    def use(self, server: StoreServer) -> None:
        """Let everybody go on with another store."""
        self.server, self.store = server, Store.open(server.url, "faults")
        for line in (self.worker_store, self.door_store):
            line.target = server.port
            line.cut()

    def restore(self, copy: Path | None) -> None:
        """Kill the store, and start it on a copy, or on nothing."""
        self.server.stop(signal.SIGKILL, at_once=True)
        shutil.rmtree(self.data)
        if copy:
            shutil.copytree(copy, self.data)
        self.data.mkdir(exist_ok=True)
        self.server.start()
        self.events += 1

    # -- work

    def submit(self, tasks: Sequence[Task], name: str = "batch") -> list[str]:
        """Record a sealed batch and wake a worker; the same again has the same ids."""
        known = name in self._journal
        self._journal.add(name)
        batch = self.store.open_batch(name, f"batch_{name}", 1, known=known)
        self.store.share(batch, {"none": b"{}"})
        made, rows = [], []
        for n, (words, width) in enumerate(tasks, start=1):
            body = row(f"{name} {n} [[sim: {words}]]", numberResults=width)
            kept = {"custom_id": str(n), "shared": "none", "body": body, "columns": {}}
            made.append(ids.job_id(SECRET, batch, str(n)))
            rows.append((made[-1], n, width, "digest", 7, dumps(kept)))
        for start in range(0, len(rows), 100):
            self.store.enqueue(batch, rows[start : start + 100])
        self.store.seal(batch)
        self.store.nudge()
        self.jobs = list(dict.fromkeys([*self.jobs, *made]))
        return made

    def records(self) -> list[Record]:
        return [one for one in reading.records(self.store, self.jobs) if one]

    def command(self, *words: str) -> None:
        """Run the command to its end; the jobs are those that the store has then."""
        subprocess.run(
            [COMMAND, *words], env=self.env(self.door_store), check=True, capture_output=True
        )
        batches = [one.id for one in reading.batches(self.store)]
        self.jobs = [
            job for one in batches for page in reading.rows(self.store, one) for job in page
        ]

    def count(self, *states: State) -> int:
        """How many jobs stand in these states."""
        return sum(one.state in states for one in self.records())

    @property
    def ended(self) -> int:
        return self.count(*ENDED)

    def purchases(self) -> int:
        return self.simulator.totals()["purchases"]

    def hasten(self) -> None:
        """Let what is held back go on now."""
        hasten(self.store)

    def heal(self) -> None:
        """Say that the fault is over: from now on it is a recovery."""
        self._healed = time.monotonic()

    def look(self) -> None:
        """Count as lost what the door has acknowledged and no record has now, before any poll."""
        self._unkept += unkept(self.store, self.simulator, self.jobs)

    def verdict(
        self,
        seconds: float = 60.0,
        *,
        patient: bool = False,
        lost: bool = False,
        retried: int | None = None,
    ) -> Told:
        """Wait until all is over, and hold the records against the truth.

        Args:
            seconds: Until the records must be true.
            patient: Whether holds and pauses last as long as they do.
            lost: Whether the store has lost history (referee.score).
            retried: How many jobs the user had sent again, where the user gave any up.
        """
        asked = partial(self._score, lost=lost, retried=retried)
        if not lost:
            with suppress(redis.RedisError, StoreAway):
                self.look()
        over = self._await_end(asked, time.monotonic() + seconds, patient=patient)
        took = None if self._healed is None else over - self._healed
        found = asked()
        assert found.is_clean, (found, [one for one in self.records() if one.state not in ENDED])
        balance(self.store, self.jobs)
        lines = (self.worker_store, self.door_store, self.provider_line, self.callback_line)
        return Told(found, self.events + sum(line.events for line in lines), took)

    def _score(self, *, lost: bool, retried: int | None) -> Score:
        found = score(self.store, self.simulator, self.jobs, retried=retried, lost=lost)
        return replace(found, lost=found.lost + self._unkept)

    def _await_end(self, asked: Callable[[], Score], deadline: float, *, patient: bool) -> float:
        """Wait until all was over for a while, or never will be well; returns when it began."""
        since: float | None = None
        while (now := time.monotonic()) < deadline or since:
            if not self._is_over(asked, patient=patient):
                since = None
            elif now - (since := since or now) >= CALM:
                return since
            time.sleep(0.02)
        return time.monotonic()

    def _is_over(self, asked: Callable[[], Score], *, patient: bool) -> bool:
        try:
            self.supervise()
            if not patient:
                hasten(self.store)
            if any(one.state not in ENDED for one in self.records()):
                return False
            found = asked()
        except (redis.RedisError, StoreAway):
            return False
        return found.is_clean or found.twice > 0 or self._unkept > 0


def until(condition: Any, seconds: float = 20.0) -> None:  # noqa: ANN401 - a condition
    """Wait for a condition; a store that is away makes it false."""

    def holds() -> bool:
        try:
            return bool(condition())
        except (redis.RedisError, StoreAway):
            return False

    wait_until(holds, seconds)
