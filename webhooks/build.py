"""The collaborators of this house's two processes: the callback door and the HTTP API."""

import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from batches.journal import Journal
from tasks import guard
from tasks.errors import StoreAway
from tasks.log import configure
from tasks.settings import Settings
from tasks.store import Store
from tasks.tally import Tally, Teller
from tasks.token import Keyring
from webhooks.gate import Gate

STORE_TIMEOUT = 0.7
"""Seconds for one answer of the store: below a request's budget (gate.py), so that a connection to
a store that hangs is given up, not left behind."""

LOOK = 5.0
"""Seconds that a starting process looks at a store, which may be away and is looked at again."""

QUEUE_TIMEOUT = 5.0
"""The same while a manifest is recorded: a disk that hesitates must not break it off half-way."""


@dataclass(frozen=True)
class Desk:
    """What the routes of both processes work with."""

    settings: Settings
    store: Store
    gate: Gate
    log: FilteringBoundLogger


@dataclass(frozen=True)
class Door(Desk):
    """And those of the callback door."""

    keyring: Keyring
    tally: Tally


@dataclass(frozen=True)
class Api(Desk):
    """And those of the HTTP API."""

    token: bytes  # that a request must bear
    patient: Store  # the same store, for recording manifests
    journal: Journal
    incoming: Path  # folder of manifests being received


def admit(settings: Settings) -> None:
    """See that settings and store may be worked with; a store that is away is looked at later.

    Raises:
        ConfigurationError: they may not; the text says what to change.
    """
    guard.settings_or_refuse(settings)
    for warning in guard.warnings(settings):
        sys.stderr.write(f"warning: {warning}\n")
    store = _store(settings)
    with closing(store.client), suppress(StoreAway), _at_most(LOOK):  # /readyz looks again
        guard.store_or_refuse(store, settings)
        guard.refuse_scriptless(store)


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """End a block of the main thread in time: a socket's timeout starts anew with every byte."""

    def end(*_: object) -> None:
        raise StoreAway("the store answers too slowly")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def build_door(settings: Settings) -> Door:
    """Build from the settings, once in each worker process; the store is not asked yet.

    Raises:
        ConfigurationError: a setting is missing or wrong.
    """
    store, tally = _store(settings), Tally()
    Teller(tally, _store(settings)).start()
    return Door(settings, store, Gate(store), configure(), settings.keyring(), tally)


def build_api(settings: Settings) -> Api:
    """Build from the settings, once in each worker process; the store is not asked yet.

    Raises:
        ConfigurationError: a setting is missing or wrong.
    """
    store = _store(settings)
    return Api(
        settings,
        store,
        Gate(store),
        configure(),
        token=settings.bearer().encode(),
        patient=_store(settings, QUEUE_TIMEOUT),
        journal=Journal(settings.data_dir),
        incoming=settings.data_dir / "incoming",
    )


def _store(settings: Settings, timeout: float = STORE_TIMEOUT) -> Store:
    return Store.open(settings.store_url(), settings.namespace, timeout)
