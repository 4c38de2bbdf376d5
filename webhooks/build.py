"""The webhooks process's collaborators."""

import sys
from dataclasses import dataclass
from typing import TextIO, cast

import structlog
from structlog.typing import FilteringBoundLogger

from tasks.log import configure
from tasks.settings import Settings
from tasks.store import Store
from tasks.token import Keyring
from webhooks.gate import Gate
from webhooks.gunicorn_config import threads
from webhooks.sink import Sink

STORE_TIMEOUT = 0.7
"""Seconds for one answer of the store: below a request's budget (gate.py), so that a connection to
a store that hangs is given up, not left behind."""


@dataclass(frozen=True)
class Desk:
    """What the routes work with."""

    store: Store
    gate: Gate
    keyring: Keyring
    log: FilteringBoundLogger


def build(settings: Settings) -> Desk:
    """Build from the settings, once in each worker process; the store is not asked yet.

    Raises:
        ConfigurationError: a setting is missing or wrong.
    """
    store = Store.open(settings.store_url(), settings.namespace, timeout=STORE_TIMEOUT)
    log = configure()
    sink = cast("TextIO", Sink(sys.stderr.fileno()))
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(sink))
    return Desk(store, Gate(threads), settings.keyring(), log)
