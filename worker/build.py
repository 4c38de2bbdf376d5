"""The worker process's collaborators, built once, on first use."""

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from random import Random

from tasks import guard, last_claim
from tasks.context import Context
from tasks.environment import secret_file
from tasks.errors import ConfigurationError
from tasks.installation import id_secret
from tasks.last_claim import LastClaim
from tasks.log import configure
from tasks.outbox import SHOWN, Outbox
from tasks.provider import Provider
from tasks.settings import Settings, load
from tasks.store import Store
from tasks.tally import Teller
from tasks.token import Keyring
from worker.door_rows import DoorRows
from worker.watchdog import Watchdog


@dataclass(frozen=True)
class Crew:
    """What doors and ticks work with."""

    name: str  # of this Celery node; also holds its leases and reads the outbox
    context: Context
    outbox: Outbox
    unshown: Outbox  # of what Flower is to be told
    door_rows: DoorRows
    watchdog: Watchdog


@cache
def crew() -> Crew:
    """Build from the settings.

    Raises:
        ConfigurationError: a setting is missing or wrong, or the store is not ours to use.
        StoreAway: the store does not answer.
    """
    settings = load()
    log = configure()
    guard.settings_or_refuse(settings)
    store = Store.open(settings.store_url(), settings.namespace)
    guard.store_or_refuse(store, settings)
    for warning in guard.warnings(settings):
        log.warning("settings", warning=warning)
    store.marks.check(settings.provider_mark, settings.window_start)
    id_secret(store, settings)  # a wrong one is told at the start, not at the first retry
    name = f"reelqueue-{os.getpid()}@{socket.gethostname()}"
    outbox = Outbox(store, name)
    outbox.create()
    unshown = Outbox(store, name, stream=SHOWN)
    unshown.create()
    context = Context(
        store=store,
        provider=_provider(settings),
        settings=settings,
        keyring=_keyring(settings),
        place=store.place(settings.callback_url) if settings.callback_url else "",
        log=log,
        random=Random(),  # noqa: S311  jitter, no secret
    )
    watchdog, own = Watchdog(log), Store.open(settings.store_url(), settings.namespace)
    living = context.tally.tell(own, name)  # the others are to know of it before it claims
    store.last_claim = _last_claim(store, settings, name)
    store.last_claim.hear(living)
    Teller(context.tally, own, name, watchdog.look, store.last_claim.hear).start()
    return Crew(name, context, outbox, unshown, DoorRows(settings.namespace), watchdog)


def _last_claim(store: Store, settings: Settings, name: str) -> LastClaim:
    """Return what is known of the last claim, once: a second would find the first one's record."""
    with suppress(OSError):  # a store that the user names may have no such file beside it
        embedded = secret_file(settings.data_dir, "REDIS_URL").read_text("utf-8").strip()
        if embedded == settings.store_url():
            created = store.marks.created()
            return last_claim.of_worker(name, settings.data_dir, settings.namespace, created)
    return LastClaim(name)


def _keyring(settings: Settings) -> Keyring:
    """Return the keys; also without PUBLIC_URL, for jobs sent again that were first sent with."""
    if settings.secrets is None and settings.callback_url is None:
        return Keyring(settings.namespace, {})
    return settings.keyring()


def _provider(settings: Settings) -> Provider:
    if settings.api_key is None:
        raise ConfigurationError(
            "RUNWARE_API_KEY is not set. `reelqueue up` without a key uses the simulator; "
            "a worker started by itself needs the key."
        )
    return Provider(settings.base_url, settings.api_key.get_secret_value(), settings.worker_threads)
