"""`python -m webhooks.api`: the HTTP API, by which work is given from outside, under gunicorn."""

import sys
import time
from pathlib import Path

from tasks.errors import Error
from tasks.settings import load
from webhooks.api_app import create_api
from webhooks.build import admit, build_api
from webhooks.gunicorn_app import Server

STALE = 3600
"""Seconds after which a manifest that is being received was left behind by a killed process."""


def main() -> None:
    """Run until stopped; a wrong setting is one sentence on stderr and exit code 1."""
    try:
        settings = load()
        settings.store_url()
        settings.bearer()
        settings.id_secret()
        admit(settings)
        _prepare(settings.data_dir / "incoming")
    except Error as exc:
        sys.exit(f"api: {exc}")
    except OSError as exc:
        sys.exit(f"api: REELQUEUE_DATA_DIR: {exc.filename}: {exc.strerror}")
    address, worker = settings.listening(settings.api_port), "webhooks.api_worker.Worker"
    Server(address, worker, lambda: create_api(build_api(settings))).run()


def _prepare(incoming: Path) -> None:
    """Make the folder that manifests are received in, and clear it of what is stale."""
    incoming.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    incoming.mkdir(mode=0o700, exist_ok=True)
    for left in incoming.glob("*.jsonl"):
        if left.stat().st_mtime < time.time() - STALE:
            left.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
