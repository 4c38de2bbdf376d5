"""Ports, and questions to the processes: does it answer, does it work, may it be used?"""

import errno
import resource
import secrets
import socket
from contextlib import suppress
from http.client import HTTPException
from itertools import combinations
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from console.generated import with_installation
from console.plain import plain
from tasks import guard
from tasks.errors import ConfigurationError, StoreAway
from tasks.installation import id_secret
from tasks.settings import Settings
from tasks.store import Store

_LOCAL = build_opener(ProxyHandler({}))  # a proxy of the user's has no part in loopback
_WITHIN = 0.5
"""Seconds one question takes at most: the supervisor notices nothing meanwhile."""


PORTS = range(10_000, 32_000)
"""Ports that processes of ours are given: below those that the system gives to connections (Linux
from 32,768, others from 49,152), so that none has one when its process comes for it, or is back."""

_TRIES = 100

FILES = 256
"""Files that a process must be able to have open. The store keeps 32 for itself and takes as many
connections as are left: 38 are open at rest, and up to 190 were seen under load, with the API and
calls by Celery. Each verb has some more."""


def free_port() -> int:
    """Return a loopback port that was free a moment ago.

    Raises:
        ConfigurationError: of a hundred none was.
    """
    for _ in range(_TRIES):
        port = secrets.choice(PORTS)  # two that start at once look for others
        with suppress(OSError):
            _bind("127.0.0.1", port)
            return port
    raise ConfigurationError(f"no port between {PORTS[0]} and {PORTS[-1]} is free on 127.0.0.1")


def check_ports(settings: Settings) -> None:
    """See that the ports of ours can be listened on.

    Raises:
        ConfigurationError: naming the setting to change.
    """
    ports = {"REELQUEUE_PORT": settings.port, "REELQUEUE_FLOWER_PORT": settings.flower_port}
    if settings.api_token:
        ports["REELQUEUE_API_PORT"] = settings.api_port
    for (one, port), (other, same) in combinations(ports.items(), 2):
        if port == same:
            raise ConfigurationError(f"{one} and {other} are both {port}; change one")
    for name, port in ports.items():
        try:
            _bind(settings.host, port)
        except OSError as exc:
            raise ConfigurationError(_unusable(name, settings.host, port, exc)) from None


def check_files() -> None:
    """See that a process may have as many files open as all of ours need; raise what may be raised.

    Raises:
        ConfigurationError: it may not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= FILES:
        return
    if hard != resource.RLIM_INFINITY and hard < FILES:
        raise ConfigurationError(
            f"only {hard} files may be open at a time (ulimit -n), and {FILES} are needed: with "
            "fewer the store would turn our processes away"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))


def _bind(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def _unusable(name: str, host: str, port: int, exc: OSError) -> str:
    if exc.errno == errno.EADDRINUSE:
        return f"port {port} is taken; set {name} to a free one"
    if exc.errno == errno.EACCES:
        return f"port {port} is not for this user; set {name} to one above 1023"
    return f"REELQUEUE_HOST: this machine cannot listen on {host}: {exc.strerror}"


def reachable(host: str) -> str:
    """Return the host, for a URL, under which this machine reaches what listens on `host`."""
    itself = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  compared, not bound
    return f"[{itself}]" if ":" in itself else itself


def door(settings: Settings) -> str:
    """Return the address of the callback door of `up`, for this machine."""
    return f"http://{reachable(settings.host)}:{settings.port}"


def answers(url: str, text: str = "", within: float = _WITHIN) -> bool | str:
    """Whether a URL answers 2xx with `text` in its first kilobyte; else its reason, if any."""
    try:
        with _LOCAL.open(url, timeout=within) as response:
            return text in response.read(1000).decode("utf-8", "replace")
    except HTTPError as exc:
        with suppress(OSError, HTTPException), exc:
            return plain(exc.read(1000).decode("utf-8", "replace").strip())
    except (OSError, HTTPException):  # nobody, or somebody who speaks no HTTP
        pass
    return False


def is_ready(base: str) -> bool | str:
    """Whether a door of ours can work; else why not, where it says so.

    It asks the store, so that it has longer: as long as it takes to say that the store is too slow.
    """
    return answers(f"{base}/readyz", "ready", 1.0)


def admits(url: str, settings: Settings, *, simulated: bool) -> bool:
    """Whether a store answers, has loaded its data, and may be used with this provider.

    Raises:
        StoreRefused: as of `admit`.
        OSError: as of `admit`.
    """
    store = Store.open(url, settings.namespace, timeout=_WITHIN)
    try:
        admit(store, settings, simulated=simulated)
    except StoreAway:
        return False
    finally:
        store.client.close()
    return True


def admit(store: Store, settings: Settings, *, simulated: bool) -> None:
    """Mark a new store as this provider's and this installation's, or refuse one that is another's.

    Raises:
        StoreRefused: it is another provider's, holds ids of another secret, is of another schema,
            or would lose records.
        StoreAway: it does not answer.
        OSError: a secret for a new store cannot be written.
    """
    guard.store_or_refuse(store, settings)
    mark = settings.model_copy(update={"simulated": simulated}).provider_mark
    store.marks.check(mark, settings.window_start)
    id_secret(store, with_installation(store, settings))


def ticks(url: str, namespace: str) -> bool:
    """Whether a worker leads: it has opened the store and consumes messages."""
    store = Store.open(url, namespace, timeout=_WITHIN)
    try:
        return store.has_ticker()
    except StoreAway:
        return False
    finally:
        store.client.close()
