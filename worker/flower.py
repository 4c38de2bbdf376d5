"""`python -m worker.flower`: Flower on this application, its options in flowerconfig.py."""

import os
import signal
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from threading import Thread

from structlog import get_logger

from tasks import guard
from tasks.environment import without_celery
from tasks.errors import Error, StoreAway
from tasks.settings import Settings, load
from tasks.store import Store
from worker.app import app
from worker.listeners import is_heard
from worker.logs import configured

CONFIG = Path(__file__).resolve().parent.parent / "flowerconfig.py"

EVERY = 3.0
"""Seconds between two looks whether Flower listens."""
LOOKS = 5
"""So many in a row that find nobody end it, twice as many at its start. After a short outage of the
store it listens again before."""


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
    Thread(target=_end_when_deaf, args=(settings,), name="hearing", daemon=True).start()
    app.start(["--quiet", "flower", f"--conf={CONFIG}"])


def _refuse_store(settings: Settings) -> None:
    """See that the store may be worked with; one that is away is waited for by Flower itself."""
    store = Store.open(settings.store_url(), settings.namespace)
    with closing(store.client), suppress(StoreAway):
        guard.store_or_refuse(store, settings)
        guard.refuse_scriptless(store)


def _end_when_deaf(settings: Settings) -> None:
    """End the process where nobody listens at the store any more, so that another is started.

    A fail-over closes no connection: where the old server lives on, Flower would listen there for
    ever, while events go to the one that the store's name leads to.
    """
    store, silent = Store.open(settings.store_url(), settings.namespace), -LOOKS
    while silent < LOOKS:
        time.sleep(EVERY)
        try:
            with closing(store.client):  # each look by a connection of its own
                silent = 0 if is_heard(store) else silent + 1
        except Exception:  # noqa: BLE001  a store that is away or refuses is no other store
            silent = min(silent, 0)
    reason = f"nobody listened at the store for {LOOKS * EVERY:g} s: Flower is at another, or hangs"
    get_logger().warning("flower.deaf", reason=reason)
    os.kill(os.getpid(), signal.SIGTERM)  # it keeps its rows
    time.sleep(LOOKS * EVERY)
    os._exit(1)


if __name__ == "__main__":
    main()
