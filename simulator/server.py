"""The process: one gunicorn worker with threads, because all state is in its memory."""

import os
import signal
import socket
import sys
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from simulator import app, journal
from simulator.settings import Settings

# Held answers (sync, streams, outages) keep a thread each; they start when they are needed.
_THREADS = 256


class Server(BaseApplication):
    """Gunicorn started from Python instead of its command."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self._settings = settings
        self._address = f"http://{settings.host}:{listener.getsockname()[1]}"
        self._bind = f"fd://{listener.detach()}"
        super().__init__(prog="simulator")

    def load_config(self) -> None:
        """Set what differs from gunicorn's defaults."""
        options = {
            "bind": [self._bind],
            "worker_class": "gthread",
            "threads": _THREADS,
            "worker_connections": 10_000,
            "keepalive": 75,
            # A thread may well hold an answer back longer than gunicorn's patience.
            "timeout": 0,
            "graceful_timeout": 1,
            "loglevel": "warning",
            "control_socket_disable": True,
            "post_fork": _refuse_second_worker,
            "post_worker_init": self._announce,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Build the application; gunicorn calls this in the worker, after the fork."""
        try:
            return app.create(self._settings)
        except OSError as exc:
            sys.stderr.write(_unusable(self._settings.journal, exc.strerror) + "\n")
            sys.exit(Arbiter.APP_LOAD_ERROR)

    def _announce(self, _worker: object) -> None:
        for quick in (signal.SIGQUIT, signal.SIGINT):
            signal.signal(quick, _leave_at_once)
        what = "answers are simulated; nothing is billed"
        sys.stdout.write(f"simulator ready on {self._address}/v1 ({what})\n")
        sys.stdout.flush()


def _refuse_second_worker(_arbiter: object, worker: Any) -> None:  # noqa: ANN401 - gunicorn ships no types
    """Stop when a worker died: the next would serve as if nothing happened."""
    if worker.age > 1:
        sys.exit(Arbiter.APP_LOAD_ERROR)


def _leave_at_once(_signal: int, _frame: object) -> None:
    """End the worker on SIGINT without clean-up; nothing is kept.

    Gunicorn's own handler shuts the pool of threads down, by a lock that the interrupted code may
    hold: it would wait for ever.
    """
    os._exit(0)


def _unusable(path: str | None, why: object) -> str:
    return f"simulator: journal {path} cannot be used: {why}"


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        SystemExit: The port is taken, the journal cannot be used, or the server stopped.
    """
    if settings.journal is not None:
        try:
            journal.check(settings.journal)
        except (OSError, ValueError) as exc:
            why = exc.strerror if isinstance(exc, OSError) else exc
            sys.exit(_unusable(settings.journal, why))
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as exc:
        sys.exit(f"simulator: port {settings.port} cannot be used: {exc.strerror}")
    Server(settings, listener).run()
