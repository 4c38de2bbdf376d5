import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from compose_driver import SERVICES, Deployment
from simulator_driver import wait_until

CADDY = Path(sys.executable).parent / "caddy"


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    with ExitStack() as stack:
        yield Deployment(tmp_path, stack)


def _start_proxy(deployment: Deployment) -> str:
    """Run Caddy with the file as written; returns where it listens."""
    config = deployment.folder / "deploy" / "Caddyfile"
    config.write_text(deployment.here(config.read_text()))
    site = f"http://127.0.0.1:{deployment.ports['proxy']}"
    upstreams = {
        name.upper(): f"127.0.0.1:{deployment.ports[name]}" for name in ("webhooks", "api")
    }
    argv = (str(CADDY), "run", "--adapter", "caddyfile", "--config", str(config))
    homes = {name: str(deployment.folder) for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    deployment.start("proxy", *argv, SITE=site, **upstreams, **homes)
    wait_until(lambda: _status("GET", f"{site}/") == 404, 30)
    return site


@pytest.mark.needs("wget", "wget")
def test_the_proxy_is_healthy_alone_and_logs_no_url_while_what_is_behind_it_is_away(
    deployment: Deployment,
) -> None:
    url = _start_proxy(deployment)
    assert deployment.healthy("proxy")
    for path in ("/webhooks/runware?k=k1&j=sesame&t=sesame", "/v1/batches?name=sesame"):
        assert _status("POST", url + path) == 502
    log = deployment.log("proxy").read_text()
    assert "connection refused" in log
    assert "sesame" not in log


def test_the_proxy_that_is_tested_is_the_one_that_is_deployed() -> None:
    told = subprocess.run([CADDY, "version"], capture_output=True, text=True, check=True).stdout
    version = told.split()[0].removeprefix("v")
    assert SERVICES["proxy"]["image"] == f"caddy:{version}-alpine"


def test_the_proxy_passes_callbacks_and_the_api_and_nothing_else(deployment: Deployment) -> None:
    url = _start_proxy(deployment)
    deployment.start("webhooks")
    deployment.start("api")
    forged = f"{url}/webhooks/runware?k=k1&j=x&e=1&t=y"
    wait_until(lambda: _status("POST", forged) == 401, 30)
    wait_until(lambda: _status("GET", f"{url}/v1/batches") == 401, 30)
    bearer = {"Authorization": f"Bearer {(deployment.secrets / 'api_token').read_text()}"}
    typed = {**bearer, "Content-Type": "application/jsonl"}
    told = requests.post(f"{url}/v1/batches?name=x", b"x" * 6_000_000, headers=typed, timeout=10)
    assert told.json()["error"]["type"] == "store_away"  # no store runs here; it was let through
    for size in (100_000, 20_000_000):  # told so, not cut off: the manifest is still on its way
        stranger = requests.post(f"{url}/v1/batches?name=x", b"x" * size, timeout=10)
        assert (stranger.status_code, stranger.json()["error"]["type"]) == (401, "unauthorized")
    assert _status("GET", f"{url}/readyz") == 404
    assert _status("GET", f"{url}/healthz") == 404


def test_of_a_callback_that_is_too_large_nothing_is_delivered(deployment: Deployment) -> None:
    came: list[bytes] = []

    class Door(BaseHTTPRequestHandler):
        """One that takes whatever it gets whole, so that only the proxy can refuse it."""

        def do_POST(self) -> None:
            declared = int(self.headers["Content-Length"])
            body = self.rfile.read(declared)
            if len(body) == declared:
                came.append(body)
                self.send_response(204)
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    url = f"{_start_proxy(deployment)}/webhooks/runware?k=k1&j=x&e=1&t=y"
    with ThreadingHTTPServer(("127.0.0.1", deployment.ports["webhooks"]), Door) as door:
        threading.Thread(target=door.serve_forever, args=(0.02,), daemon=True).start()
        assert _status("POST", url, b"x" * 4_000_000) == 204
        # Which of the two depends on who notices first.
        assert _status("POST", url, b"x" * 5_000_000) in {413, 502}
        door.shutdown()
    assert [len(body) for body in came] == [4_000_000]


def test_a_callback_that_comes_too_slowly_is_not_acknowledged(deployment: Deployment) -> None:
    _start_proxy(deployment)
    with socket.create_connection(("127.0.0.1", deployment.ports["proxy"]), 20) as sender:
        sender.sendall(b"POST /webhooks/runware?k=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        sender.sendall(b"Content-Length: 900000\r\n\r\n{")
        answer = sender.recv(1000)  # it comes when the time for a body is over
    assert not answer.startswith(b"HTTP/1.1 2")


def _status(method: str, url: str, body: bytes = b"{}") -> int:
    try:
        return requests.request(method, url, data=body, timeout=5).status_code
    except requests.ConnectionError:
        return 0
