"""`python -m worker.flower`: Flower on this application, its options in flowerconfig.py."""

import sys
from contextlib import closing, suppress
from pathlib import Path

from structlog import get_logger

from tasks import guard
from tasks.environment import without_celery
from tasks.errors import Error, StoreAway
from tasks.settings import Settings, load
from tasks.store import Store
from worker.app import app
from worker.logs import configured

CONFIG = Path(__file__).resolve().parent.parent / "flowerconfig.py"


def main() -> None:
    """Run until stopped; a wrong setting is one sentence on stderr and exit code 1."""
    configured()
    without_celery()
    try:
        settings = load()
        guard.settings_or_refuse(settings)
        _refuse_store(settings)
    except Error as exc:
        sys.exit(f"flower: {exc}")
    for warning in guard.flower_warnings(settings):
        get_logger().warning("settings", warning=warning)
    app.start(["--quiet", "flower", f"--conf={CONFIG}"])


def _refuse_store(settings: Settings) -> None:
    """See that the store may be worked with; one that is away is waited for by Flower itself."""
    store = Store.open(settings.store_url(), settings.namespace)
    with closing(store.client), suppress(StoreAway):
        guard.store_or_refuse(store, settings)
        guard.refuse_scriptless(store)


if __name__ == "__main__":
    main()
