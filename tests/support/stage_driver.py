"""A running `up` and its simulator held against each other: nothing lost, doubled or paid twice."""

import hashlib
import itertools
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import requests
from simulator_driver import Simulator, wait_until
from stack_driver import COMMAND, Place, by_uuid

from tasks import reading
from tasks.job import Record, State
from tasks.store import Store

ENDS = {"success": "completed", "partial": "partial", "error": "failed", "not_accepted": "failed"}
"""State of a job by the truth table's state of the task that decided it."""
HELD = (3_000, 100_000)
"""Waits of this many milliseconds are holds and pauses; shorter ones are asked for by the tests'
settings, longer ones wait for the user."""


def hasten(store: Store, *more: str) -> None:
    """Let what is held back go on now; how long a hold lasts is not what these tests are about.

    Polls that were not answered, refused tasks and pauses; `more` names further sets of times.
    """
    now = store.now()
    for key in (store.keys(name) for name in ("due", "later", "paused", *more)):
        for member, at in store.client.zrange(key, 0, -1, withscores=True):
            if HELD[0] < at - now < HELD[1]:
                store.client.zadd(key, {member: now}, xx=True)


def sha256(text: str | None) -> str | None:
    """Return a text's hash as the truth table has it; nothing has none."""
    return text and hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def assert_agrees(rows: Sequence[Mapping[str, Any]], simulator: Simulator) -> None:
    """See that a table says what really happened, to the text and the nano-dollar.

    All attempts at a job have one fingerprint, so each row of a manifest must have its own prompt.
    What failed results cost is not compared: no answer tells it.
    """
    truth = by_uuid(simulator)
    jobs: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        jobs.setdefault(row["job_id"], []).append(row)
    for told in jobs.values():
        task = truth[told[0]["task_uuid"]]
        alike = task["fingerprint"]  # none where it was refused before it was understood
        attempts = [t for t in truth.values() if t["fingerprint"] == alike] if alike else [task]
        _agrees(told, task, attempts, simulator)


def _agrees(
    told: Sequence[Mapping[str, Any]],
    task: Mapping[str, Any],
    attempts: Sequence[Mapping[str, Any]],
    simulator: Simulator,
) -> None:
    where = told[0]["custom_id"], told[0]["task_uuid"]
    assert told[0]["state"] == ENDS[task["state"]], where
    assert [a["purchases"] for a in attempts if a["purchases"] != 1] in ([], [0]), where
    good = [r for a in attempts for r in a["results"] if r["kind"] == "success"]
    cost = sum(nano(row["cost"]) for row in told)
    assert cost == sum(result["cost_nano"] for result in good), where
    if task["state"] == "not_accepted":
        refusals = simulator.truth(f"/{task['taskUUID']}")["submissions"]
        really = [("", refusals[-1]["outcome"])]
    elif task["state"] == "error":
        really = [("", task["results"][0]["code"])]
    else:
        really = [(r["text_sha256"] or "", r["code"] or "") for r in task["results"]]
    shown = [(sha256(row["text"]) or "", row["error_code"] or "") for row in told]
    assert sorted(shown) == sorted(really), where


Task = tuple[str, int]
"""Directives for the simulator, and numberResults."""
VIDEO = "11111111-2222-4333-8444-555555555555"


class Stage:
    """A running `up` that takes a simulator for the real service, and its store between them.

    What is held back goes on at once whenever something is waited for.
    """

    def __init__(self, simulator: Simulator, place: Place, store: Store) -> None:
        self.simulator, self.place, self.store = simulator, place, store
        self._at_start = simulator.truth("/settings")
        self._following: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for following in self._following.values():
            following.kill()
            following.wait()
        self.store.client.close()

    def submit(self, name: str, tasks: Sequence[Task]) -> None:
        """Submit a batch and go on when all of it is recorded; the command follows it."""
        rows = [
            {"prompt": f"{name} {n} [[sim: {words}]]", "numberResults": width, "video": VIDEO}
            for n, (words, width) in enumerate(tasks)
        ]
        self._following[name] = subprocess.Popen(
            [COMMAND, "submit", self.place.manifest(name, *rows), "--watch"],
            env=self.place.env,
            cwd=self.place.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: self._batch(name) is not None and self._batch(name).sealed, 20)

    def end(self, name: str, code: int | None = None) -> list[dict[str, Any]]:
        """Wait for a batch's end and hold it against the truth table; returns its table.

        The command must leave with `code`: by default 0, or 3 where some job has failed.
        """
        wait_until(lambda: self._batch(name).open == 0, 40)
        rows = self.place.results(name)
        order = list(dict.fromkeys(row["custom_id"] for row in rows))
        assert order == [f"row-{n}" for n in range(len(self.records(name)))]
        assert_agrees(rows, self.simulator)
        ok = {row["state"] for row in rows} == {"completed"}
        following = self._following.pop(name)
        assert following.wait(10) == (code if code is not None else 0 if ok else 3)
        assert self._batch(name).cost == sum(nano(row["cost"]) for row in rows)
        wait_until(lambda: not self._held(name), 20)
        return rows

    def _held(self, name: str) -> set[str]:
        """Return the tasks of a batch that hold a slot; what is silent does for a while."""
        self._batch(name)
        tasks = {a.task_uuid for one in self.records(name) for a in one.attempts}
        slots = self.store.client.zrange(self.store.keys("slots"), 0, -1)
        return tasks & {uuid.decode() for uuid in slots}

    def _batch(self, name: str) -> Any:  # noqa: ANN401 - a batch, once it is there
        hasten(self.store)
        return reading.batch_named(self.store, name)

    def records(self, name: str) -> list[Record]:
        """Return a batch's records, in order."""
        jobs = next(reading.rows(self.store, self._batch(name).id))
        return [record for record in reading.records(self.store, jobs) if record]

    def are(self, name: str, state: State) -> bool:
        """Whether all jobs of a batch are in a state."""
        return {one.state for one in self.records(name)} == {state}

    def sent(self, name: str) -> bool:
        """Whether every job of a batch has been sent, and told of; some may have ended by now."""
        waiting = {State.QUEUED, State.SUBMITTING}
        return all(one.state not in waiting for one in self.records(name))

    @contextmanager
    def changed(self, **settings: object) -> Iterator[None]:
        """Change the simulator for the length of a block."""
        self.simulator.change(**settings)
        try:
            yield
        finally:
            self.simulator.change(**{name: self._at_start[name] for name in settings})

    def meets(self, requests: int) -> None:
        """Wait until so many more requests came."""
        before = self.simulator.totals()["posts"]

        def came() -> bool:
            hasten(self.store)
            return self.simulator.totals()["posts"] >= before + requests

        wait_until(came)


def nano(dollars: float | None) -> int:
    """Return nano-dollars."""
    return round((dollars or 0) * 1_000_000_000)


class Turnstile:
    """A door that passes requests on to several in turn, and counts them."""

    def __init__(self, doors: Sequence[str]) -> None:
        self.passed = [0] * len(doors)
        turns = itertools.cycle(range(len(doors)))
        turnstile = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                turn = next(turns)
                try:
                    answer = requests.post(f"{doors[turn]}{self.path}", data=body, timeout=4)
                    status = answer.status_code
                except requests.RequestException:
                    status = 502
                turnstile.passed[turn] += status < 300
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Write nothing: the path holds a token."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
