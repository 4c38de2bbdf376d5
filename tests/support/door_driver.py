"""Runs `python -m webhooks` on a free port, records jobs for it, and talks to it as a provider."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import requests
from simulator_driver import ROOT, wait_until
from store_driver import free_port

from tasks.job import Record, record
from tasks.store import Store
from tasks.token import LIFETIME, Keyring, new_keys, parse_keys

PATH = "/webhooks/runware"
NAMESPACE = "door"


class Door:
    """The callback door as a process, over one store, with the key that opens it."""

    module = "webhooks"

    def __init__(
        self, store_url: str, folder: Path, *, log: str = "", env: Mapping[str, str] | None = None
    ) -> None:
        self.namespace = f"{NAMESPACE}{uuid.uuid4().hex[:12]}"
        keys = new_keys()
        self.keyring = Keyring(self.namespace, parse_keys(keys))
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.log = Path(log or folder / "door.log")
        self.store = Store.open(store_url, self.namespace)
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "REELQUEUE_ENV_FILE": os.devnull,
            "REELQUEUE_DATA_DIR": str(folder / "data"),
            "REELQUEUE_NAMESPACE": self.namespace,
            "REELQUEUE_PORT": str(self.port),
            "REELQUEUE_API_PORT": str(self.port),
            "REELQUEUE_SECRETS": keys,
            "REDIS_URL": store_url,
        } | dict(env or {})
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as stderr:
            return subprocess.Popen(
                [sys.executable, "-m", self.module], cwd=ROOT, env=self._env, stderr=stderr
            )

    def __enter__(self) -> Self:
        wait_until(self.lives, 20)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.store.client.close()
        self.stop(signal.SIGINT)

    def stop(self, kind: signal.Signals = signal.SIGTERM) -> float:
        """End it, gracefully as a supervisor does or at once; return the seconds that took."""
        begun = time.monotonic()
        self.process.send_signal(kind)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        return time.monotonic() - begun

    def lives(self) -> bool:
        """Whether it serves."""
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.get("/healthz").ok
        except requests.ConnectionError:
            return False

    def job(self, expected: int = 1) -> str:
        """Record a job and claim it, as a worker does before it submits."""
        job, store = str(uuid.uuid4()), self.store
        store.marks.check("simulated", 1000)
        batch = store.open_batch(job, f"batch_{job}", 1)
        store.enqueue(batch, [(job, 1, expected, "digest", 0, b"input")])
        store.seal(batch)
        assert self.claim(1) == [job]
        return job

    def claim(self, most: int) -> list[str]:
        """Claim jobs, as a worker does before it submits; returns their ids."""
        # No worker settles endings here, and one left for a minute would stop all claims.
        self.store.client.delete(self.store.keys("ends"))
        claim = self.store.claim(most, 7200.0, "", self.keyring.signing, LIFETIME)
        return [claimed.id for claimed in claim.jobs]

    def query(self, job: str, expiry: int | None = None) -> str:
        """Return the query of the URL that the provider was given for this job."""
        return self.keyring.query(
            self.keyring.signing, job, int(time.time()) + 3600 if expiry is None else expiry
        )

    def post(
        self,
        job: str,
        body: object,
        *,
        query: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Deliver a value as JSON, or bytes as they are; no redirect is followed."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = f"{self.base}{PATH}?{self.query(job) if query is None else query}"
        return requests.post(url, data=data, headers=headers, allow_redirects=False, timeout=10)

    def get(self, path: str, method: str = "GET") -> requests.Response:
        return requests.request(method, self.base + path, allow_redirects=False, timeout=10)

    def record(self, job: str) -> Record:
        flat = self.store.client.hgetall(self.store.keys("job", job))
        return record(job, {name.decode(): value.decode() for name, value in flat.items()})

    def results(self, job: str) -> int:
        """How many results of the first attempt are kept."""
        return len(self.record(job).attempts[0].delivered)

    def quarantined(self, job: str) -> int:
        return int(self.store.client.hlen(self.store.keys("quarantine", job)))

    def is_due(self, job: str) -> bool:
        """Whether the job's task is to be polled within a second or two."""
        at = self.store.client.zscore(self.store.keys("due"), job)
        return at is not None and at < (time.time() + 2) * 1000

    def dump(self) -> dict[bytes, bytes]:
        """Everything in the namespace but the counts of metrics, as the store serialises it."""
        client, counts = self.store.client, self.store.keys("measured").encode()
        found = client.scan_iter(f"{self.namespace}:*", 1000)
        return {key: client.dump(key) for key in found if key != counts}

    def raw(self, *parts: bytes, seconds: float = 10, until_closed: bool = False) -> bytes:
        """Send bytes over a socket of its own and return the answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as sock:
            for part in parts:
                sock.sendall(part)
            return read_answer(sock, until_closed=until_closed)

    @contextmanager
    def connections(self, number: int) -> Iterator[list[socket.socket]]:
        """Open connections that say nothing of themselves."""
        with ExitStack() as stack:
            address = ("127.0.0.1", self.port)
            yield [
                stack.enter_context(socket.create_connection(address, timeout=20))
                for _ in range(number)
            ]

    def stream(self, parts: Iterable[bytes]) -> bytes:
        """Send parts until an answer comes, as a client does that listens; return the answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as sock:
            for part in parts:
                if select.select([sock], [], [], 0)[0]:
                    break
                try:
                    sock.sendall(part)
                except (BrokenPipeError, ConnectionResetError):  # it answered and left
                    break
            return read_answer(sock)

    def head(self, job: str, *headers: str, query: str | None = None) -> bytes:
        """Return the head of a delivery, for `raw`."""
        target = f"{PATH}?{self.query(job) if query is None else query}"
        lines = [f"POST {target} HTTP/1.1", "Host: door", *headers, "", ""]
        return "\r\n".join(lines).encode()


def read_answer(sock: socket.socket, *, until_closed: bool = False) -> bytes:
    """Read one answer's head, or all that comes; empty where the connection ended without one."""
    received = b""
    try:
        while until_closed or b"\r\n\r\n" not in received:
            if not (data := sock.recv(65536)):
                break
            received += data
    except ConnectionResetError:
        pass
    return received


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def result(job: str, text: str = "A cat.", **fields: object) -> dict[str, Any]:
    """Return one result as the contract's §5 shows it, at 0.01 USD."""
    own = {"taskType": "textInference", "taskUUID": job, "text": text, "finishReason": "stop"}
    return {**own, "cost": 0.01, **fields}


def altered(query: str, **fields: str) -> str:
    """Return a query with some fields replaced; None is left out."""
    pairs = dict(pair.split("=", 1) for pair in query.split("&"))
    return urlencode(pairs | fields)
