"""`python -m webhooks`: the callback door and health, under gunicorn."""

import sys

from tasks.errors import Error
from tasks.settings import load
from webhooks.app import create_app
from webhooks.build import admit, build_door
from webhooks.gunicorn_app import Server


def main() -> None:
    """Run until stopped; a wrong setting is one sentence on stderr and exit code 1."""
    try:
        settings = load()
        settings.store_url()
        settings.keyring()
        admit(settings)
    except Error as exc:
        sys.exit(f"webhooks: {exc}")
    address, worker = settings.listening(settings.port), "webhooks.gunicorn_worker.Worker"
    Server(address, worker, lambda: create_app(build_door(settings))).run()


if __name__ == "__main__":
    main()
