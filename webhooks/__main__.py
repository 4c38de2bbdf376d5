"""`python -m webhooks`: the callback door and health, under gunicorn."""

import sys
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import Application

from tasks.errors import Error
from tasks.settings import Settings, load
from webhooks.app import create_app
from webhooks.build import build


class Server(Application):
    """gunicorn with our settings file and our application."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def init(self, parser: Any, opts: Any, args: Any) -> None:  # noqa: ANN401  gunicorn's signature
        """Take no command line."""

    def load_config(self) -> None:
        """Read gunicorn_config.py and bind to the settings' address."""
        self.load_config_from_file(str(Path(__file__).with_name("gunicorn_config.py")))
        self.cfg.set("bind", f"{self._settings.host}:{self._settings.port}")

    def load(self) -> Flask:
        """Build in each worker, after the fork."""
        return create_app(build(self._settings))


def main() -> None:
    """Run until stopped; a wrong setting is one sentence on stderr and exit code 1."""
    try:
        settings = load()
        settings.store_url()
        settings.keyring()
    except Error as exc:
        sys.exit(f"webhooks: {exc}")
    Server(settings).run()


if __name__ == "__main__":
    main()
