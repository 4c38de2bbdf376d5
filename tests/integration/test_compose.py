import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from simulator_driver import wait_until
from store_driver import free_port

from tasks.token import new_keys

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
PASSWORD = "compose-store-password"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


class Deployment:
    """The services of the file as processes: commands, environment and health checks as written.

    Only what containers would separate is changed: ports, host names and the store's folder.
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.ports = {name: free_port() for name in ("redis", "simulator", "webhooks", "flower")}
        self.folder, self._stack = folder, stack
        self.variables = {
            "RUNWARE_API_KEY": "any",
            "REELQUEUE_SIMULATED": "true",
            "RUNWARE_BASE_URL": f"http://127.0.0.1:{self.ports['simulator']}/v1",
            "PUBLIC_URL": f"http://127.0.0.1:{self.ports['webhooks']}",
            "REDIS_PASSWORD": PASSWORD,
            "REELQUEUE_SECRETS": new_keys(),
            "REELQUEUE_INSTALLATION_SECRET": "f" * 64,
        }

    def start(self, name: str) -> None:
        argv = [self._here(part) for part in SERVICES[name]["command"]]
        process = subprocess.Popen(argv, cwd=ROOT, env=self.environment(name))
        self._stack.callback(process.wait, timeout=10)
        self._stack.callback(process.terminate)

    def environment(self, name: str) -> dict[str, str]:
        given = SERVICES[name].get("environment", {})
        written = {key: self._here(self._filled(str(value))) for key, value in given.items()}
        moved = {
            "REELQUEUE_PORT": str(self.ports["webhooks"]),
            "REELQUEUE_FLOWER_PORT": str(self.ports["flower"]),
            "REELQUEUE_DATA_DIR": str(self.folder / "data"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        return {**os.environ, **written, **moved}

    def healthy(self, name: str) -> bool:
        kind, *argv = SERVICES[name]["healthcheck"]["test"]
        argv = [self._here(part.replace("$$", "$")) for part in argv]
        return not subprocess.run(
            ["sh", "-c", argv[0]] if kind == "CMD-SHELL" else argv,
            env=self.environment(name),
            check=False,
            capture_output=True,
            timeout=10,
        ).returncode

    def _filled(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            name, kind, other = match.groups()
            assert name in self.variables or kind == "-", f"{name} is required and not described"
            return self.variables.get(name, other or "")

        return VARIABLE.sub(value, text)

    def _here(self, text: str) -> str:
        redis = f"redis-server - --port {self.ports['redis']} --bind 127.0.0.1"
        changes = {
            "redis-server -": redis,
            "redis-cli": f"redis-cli -p {self.ports['redis']}",
            "dir /data": f"dir {self.folder}",
            "$$": "$",
            "@redis:6379": f"@127.0.0.1:{self.ports['redis']}",
            "127.0.0.1:8000": f"127.0.0.1:{self.ports['webhooks']}",
            "8999": str(self.ports["simulator"]),
            "0.0.0.0": "127.0.0.1",  # noqa: S104  replaced, not bound
        }
        for written, here in changes.items():
            text = text.replace(written, here)
        return text


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    with ExitStack() as stack:
        yield Deployment(tmp_path, stack)


def test_the_file_is_what_compose_reads() -> None:
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    ended = subprocess.run([*checker, "docker-compose.yml"], cwd=ROOT, check=False)
    assert ended.returncode == 0


def test_nothing_is_published_beyond_this_host_and_the_store_not_at_all() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert "ports" not in SERVICES["redis"]


def test_the_image_holds_every_package_and_runs_as_nobody_special() -> None:
    steps = (ROOT / "Dockerfile").read_text()
    packages = ("tasks", "batches", "worker", "webhooks", "console", "simulator")
    assert all(f"COPY {package} {package}\n" in steps for package in packages)
    assert "\nUSER reelqueue\n" in steps
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [line.split()[1:-1] for line in steps.splitlines() if line.startswith("COPY ")]
    assert {f"!{source}" for sources in copied for source in sources} <= set(ignored)


@pytest.mark.needs("redis-server", "redis-server")
def test_every_service_runs_as_written_and_a_batch_goes_through_them(
    deployment: Deployment,
    reelqueue: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    deployment.start("redis")
    wait_until(lambda: deployment.healthy("redis"))
    for name in ("simulator", "webhooks", "worker", "flower"):
        deployment.start(name)
    wait_until(lambda: deployment.healthy("webhooks"), 30)
    manifest = tmp_path / "two.jsonl"
    row = '{"custom_id": "%s", "video": "https://x.test/a.mp4", "prompt": "What happens?"}\n'
    manifest.write_text(row % "a" + row % "b")
    assert SERVICES["command"]["entrypoint"] == ["reelqueue"]
    environment = deployment.environment("command")
    ended = reelqueue("submit", str(manifest), "--watch", env=environment)
    assert ended.returncode == 0, ended.stderr
    assert "2 ok" in ended.stderr
    flower = f"http://127.0.0.1:{deployment.ports['flower']}/"
    wait_until(lambda: _answers(flower), 30)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).status_code == requests.codes.ok
    except requests.ConnectionError:
        return False
