"""The webhooks process's collaborators."""

from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from tasks.log import configure
from tasks.settings import Settings
from tasks.store import Store
from tasks.token import Keyring

STORE_TIMEOUT = 0.9
"""Seconds for one answer of the store: two calls and a connect stay below the 2 s of I5."""


@dataclass(frozen=True)
class Desk:
    """What the routes work with."""

    store: Store
    keyring: Keyring
    log: FilteringBoundLogger


def build(settings: Settings) -> Desk:
    """Build from the settings; the store is not asked, so that /healthz can answer without it.

    Raises:
        ConfigurationError: a setting is missing or wrong.
    """
    store = Store.open(settings.store_url(), settings.namespace, timeout=STORE_TIMEOUT)
    return Desk(store, settings.keyring(), configure())
