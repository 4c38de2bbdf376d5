"""Runs the services of docker-compose.yml as processes: what containers would separate is changed.

That is: ports, host names, mounted paths. Commands, environment and health checks are as written.
"""

import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml
from store_driver import free_port

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
LISTENING = {
    "redis": 6379,
    "webhooks": 8000,
    "api": 8001,
    "flower": 5555,
    "simulator": 8999,
    "proxy": 80,
    "proxy-health": 2020,
}


class Deployment:
    """All services that run without an image of somebody else's, on ports of this machine."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.ports = {name: free_port() for name in LISTENING}
        shutil.copytree(
            ROOT / "deploy", folder / "deploy", ignore=shutil.ignore_patterns("secrets")
        )
        subprocess.run(
            [str(folder / "deploy" / "make-secrets")],
            env={"PATH": os.environ["PATH"], "RUNWARE_API_KEY": "rw-test-key"},
            check=True,
            capture_output=True,
        )
        self.secrets = folder / "deploy" / "secrets"
        url = self.secrets / "redis_url"
        url.chmod(0o600)
        url.write_text(self.here(url.read_text()))
        self.variables = {
            "REELQUEUE_SIMULATED": "true",
            "RUNWARE_BASE_URL": "http://simulator:8999/v1",
            "PUBLIC_URL": "http://webhooks:8000",
        }

    def start(self, name: str, *argv: str, **environment: str) -> int:
        """Start a service; returns the pid that `docker compose stop` would signal."""
        command = argv or [self.here(part) for part in SERVICES[name]["command"]]
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment(name) | environment, stderr=log
            )
        self._stack.callback(process.wait, timeout=10)
        self._stack.callback(process.terminate)
        return process.pid

    def log(self, name: str) -> Path:
        """Where a service's standard error goes."""
        return self.folder / f"{name}.log"

    def environment(self, name: str) -> dict[str, str]:
        given = SERVICES[name].get("environment", {})
        written = {key: self.here(self._filled(str(value))) for key, value in given.items()}
        moved = {
            "REELQUEUE_PORT": str(self.ports["webhooks"]),
            "REELQUEUE_API_PORT": str(self.ports["api"]),
            "REELQUEUE_FLOWER_PORT": str(self.ports["flower"]),
            "REELQUEUE_DATA_DIR": str(self.folder / "data"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        return {**os.environ, **written, **moved}

    def healthy(self, name: str) -> bool:
        kind, *argv = SERVICES[name]["healthcheck"]["test"]
        argv = [self.here(part) for part in argv]
        return not subprocess.run(
            ["sh", "-c", argv[0]] if kind == "CMD-SHELL" else argv,
            env=self.environment(name),
            cwd=ROOT,
            check=False,
            capture_output=True,
            timeout=30,
        ).returncode

    def _filled(self, text: str) -> str:
        return VARIABLE.sub(lambda m: self.variables.get(m[1], m[2] or ""), text)

    def here(self, text: str) -> str:
        """Return what is written, with addresses and paths of this machine."""
        text = text.replace("$$", "$").replace("/run/secrets/", f"{self.folder}/deploy/secrets/")
        for name, port in LISTENING.items():
            here = str(self.ports[name])
            text = text.replace(f"{name}:{port}", f"127.0.0.1:{here}")
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{here}")
        redis = self.ports["redis"]
        changes = {
            "redis-server -": f"redis-server - --port {redis} --bind 127.0.0.1",
            "redis-cli": f"redis-cli -p {redis}",
            "dir /data": f"dir {self.folder}",
            "0.0.0.0": "127.0.0.1",  # noqa: S104  replaced, not bound
        }
        for written, changed in changes.items():
            text = text.replace(written, changed)
        return str(self.ports["simulator"]) if text == "8999" else text
