"""A provider that answers as a test tells it to, and the shapes of answers."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from core_driver import Rig
from simulator_driver import wait_until

from tasks.claims import ms
from tasks.job import ENDED

Tasks = list[dict[str, Any]]
Answer = Callable[[Tasks], str | tuple[int, str]]
Submission = Callable[[Tasks], tuple[int, str]]
LOST = (502, "<html>Bad gateway</html>")
"""The answer to a POST that may have arrived."""


def accept(tasks: Tasks) -> tuple[int, str]:
    """Acknowledge every task."""
    acks = [{"taskType": "textInference", "taskUUID": task["taskUUID"]} for task in tasks]
    return 200, json.dumps({"data": acks})


@contextmanager
def provider(poll: Answer, status: int = 200, submit: Submission = accept) -> Iterator[str]:
    """Answer submissions and polls as told; where a ConnectionError is raised, not at all."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            tasks = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            submitted = tasks[0]["taskType"] == "textInference"
            try:
                told = submit(tasks) if submitted else poll(tasks)
            except ConnectionError:
                self.close_connection = True
                return
            code, body = (status, told) if isinstance(told, str) else told
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def turned(rig: Rig) -> None:
    """Work once on all that will be due at some time."""
    due = rig.store.keys("due")
    for member in rig.store.client.zrange(due, 0, -1):
        rig.store.client.zadd(due, {member: 1}, xx=True)
    rig.turn()


def run_on(rig: Rig) -> None:
    """Work until all jobs have ended, and wait for no task to be due again."""
    wait_until(lambda: turned(rig) or all(one.state in ENDED for one in rig.records()), 15)


def keep_turning(rig: Rig, rounds: int, seconds: float) -> None:
    """Work on all so many times, and as often again once the store's clock has gone on so far."""
    until = rig.store.now() + ms(seconds)
    for _ in range(rounds):
        turned(rig)
    wait_until(lambda: rig.store.now() > until)
    for _ in range(rounds):
        turned(rig)


def result(task: dict[str, Any], text: str = "seen", cost: str = "0.5") -> str:
    uuid = json.dumps(task["taskUUID"])
    return (
        f'{{"taskType":"textInference","taskUUID":{uuid},"status":"success","text":"{text}",'
        f'"finishReason":"stop","cost":{cost}}}'
    )


def running(task: dict[str, Any]) -> str:
    return json.dumps({"taskUUID": task["taskUUID"], "status": "processing"})


def data(*elements: str) -> str:
    return '{"data":[' + ",".join(elements) + "]}"


def errors(tasks: Tasks, code: str) -> str:
    told = [{"code": code, "message": "no", "taskUUID": task["taskUUID"]} for task in tasks]
    return json.dumps({"errors": told})
