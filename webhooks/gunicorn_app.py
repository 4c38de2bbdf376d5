"""gunicorn around one of this house's applications; each process has one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import Application
from gunicorn.config import Config
from gunicorn.glogging import Logger

from tasks.collector import calm
from tasks.log import configure


class OwnForm(Logger):
    """gunicorn's log lines in the form of ours."""

    def setup(self, cfg: Config) -> None:
        """Hand its lines on to the root logger."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class Server(Application):
    """gunicorn with our settings file, an address, and an application."""

    def __init__(self, address: str, worker: str, create: Callable[[], Flask]) -> None:
        configure(forks=True)  # its workers are forked, and configure for themselves
        self._own = {"bind": address, "worker_class": worker, "logger_class": OwnForm}
        self._create = create
        super().__init__()

    def init(self, parser: Any, opts: Any, args: Any) -> None:  # noqa: ANN401  gunicorn's signature
        """Take no command line."""

    def load_config(self) -> None:
        """Read gunicorn_config.py, then what differs between the processes."""
        self.load_config_from_file(str(Path(__file__).with_name("gunicorn_config.py")))
        for name, value in self._own.items():
            self.cfg.set(name, value)

    def run(self) -> None:
        """Serve until stopped; what is loaded by now, its workers share."""
        calm()
        super().run()

    def load(self) -> Flask:
        """Build in each worker, after the fork."""
        return self._create()
