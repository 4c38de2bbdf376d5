"""Drives a simulator process over HTTP, and listens for its webhooks."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).parents[2]
KEY = {"Authorization": "Bearer rw-test-key"}
_OF_THE_START = {"host", "port", "journal"}


def wait_until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:  # noqa: ANN401 - whatever the condition gives
    """Return what the condition gives as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.01)
    return found


def task(content: str = "What happens?", **fields: object) -> dict[str, Any]:
    """Build a valid asynchronous task with a new taskUUID."""
    return {
        "taskType": "textInference",
        "taskUUID": str(uuid.uuid4()),
        "model": "google:gemini@3.1-pro",
        "deliveryMethod": "async",
        "messages": [{"role": "user", "content": content}],
        **fields,
    }


def poll(*tasks: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Build the `getResponse` tasks that ask for these tasks."""
    return [{"taskType": "getResponse", "taskUUID": asked["taskUUID"]} for asked in tasks]


def utility(task_type: str, **fields: object) -> dict[str, Any]:
    """Build a task of another type with a new taskUUID."""
    return {"taskType": task_type, "taskUUID": str(uuid.uuid4()), **fields}


def codes(answer: Mapping[str, Any]) -> list[str]:
    """Return the codes of an answer's errors."""
    return [error["code"] for error in answer.get("errors", [])]


def sha256(text: str | None) -> str | None:
    """Return a text's hash as the truth table has it; nothing has none."""
    return text and hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Simulator:
    """One process of `python -m simulator` on a free port."""

    def __init__(self, *flags: str, env: Mapping[str, str] | None = None) -> None:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("SIMULATOR_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "simulator", "--port", "0", *flags],
            cwd=ROOT,
            env=clean | dict(env or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.ready_line = self.process.stdout.readline()
        assert self.ready_line.startswith("simulator ready on "), self.process.communicate()
        self.v1 = self.ready_line.split()[3]
        self.base = self.v1.removesuffix("/v1")
        self._http = requests.Session()
        shown = self._http.get(f"{self.base}/truth/settings", timeout=10).json()
        self._defaults = {k: v for k, v in shown.items() if k not in _OF_THE_START}
        self._defaults["api_key"] = None  # it is not shown; who starts one with a key resets none

    def send(
        self, tasks: object, timeout: float = 10.0, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """POST a value as JSON, or bytes as they are, with headers beside the key."""
        body = tasks if isinstance(tasks, bytes) else json.dumps(tasks).encode()
        sent = {**KEY, **(headers or {})}
        return self._http.post(
            self.v1, data=body, headers=sent, timeout=timeout, allow_redirects=False
        )

    def ask(self, *tasks: Mapping[str, Any]) -> dict[str, Any]:
        """POST tasks and return the answer's JSON."""
        answer: dict[str, Any] = self.send(list(tasks)).json()
        return answer

    def finished(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Poll until nothing of the task is processing; return the last answer."""

        def over() -> dict[str, Any] | None:
            answer = self.ask(*poll(asked))
            items = answer["data"] + answer.get("errors", [])
            running = any(item.get("status") == "processing" for item in items)
            return answer if items and not running else None

        found: dict[str, Any] = wait_until(over)
        return found

    def result(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Submit a task and return its one result."""
        assert self.ask(asked)["data"], "the task was not accepted"
        (item,) = self.finished(asked)["data"]
        return item

    def sent(self) -> int:
        """Return how many requests came but polls, which tasks of other tests may still cause."""
        totals = self.totals()
        return int(totals["posts"] - totals["polls"])

    def totals(self) -> dict[str, int]:
        """Read the truth table's counts."""
        counts: dict[str, int] = self.truth()["totals"]
        return counts

    def truth(self, path: str = "") -> Any:  # noqa: ANN401 - JSON
        """Read the truth table, or one task of it."""
        return self._http.get(f"{self.base}/truth{path}", timeout=10).json()

    def change(self, **settings: object) -> None:
        """Change settings while it runs."""
        answer = self._http.post(f"{self.base}/truth/settings", json=settings, timeout=10)
        assert answer.ok, answer.text

    def reset(self) -> None:
        """Forget all tasks and return to the settings of the start."""
        self.change(**self._defaults)
        assert self._http.post(f"{self.base}/truth/reset", timeout=10).ok

    def stop(self, with_signal: int = signal.SIGTERM) -> tuple[str, str]:
        """End the process; return what it still wrote to stdout and stderr."""
        self._http.close()
        self.process.send_signal(with_signal)
        try:
            return self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def kill(self) -> None:
        """End it by SIGKILL, whatever it does."""
        self._http.close()
        pid = self.process.pid
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
        for each in (pid, *map(int, workers)):
            os.kill(each, signal.SIGKILL)
        self.process.communicate(timeout=10)


class Receiver:
    """An HTTP server that keeps what is posted to it.

    Attributes:
        bodies: The JSON bodies in order of arrival.
        arrived: When each came, on the monotonic clock.
        statuses: How the next deliveries are answered; 200 when empty.
    """

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.arrived: list[float] = []
        self.statuses: list[int] = []
        receiver = self

        class Door(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.arrived.append(time.monotonic())
                receiver.bodies.append(json.loads(body))
                status = receiver.statuses.pop(0) if receiver.statuses else 200
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", f"{receiver.url}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Write nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?token=secret-in-query"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
