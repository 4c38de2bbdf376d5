"""`reelqueue doctor`: is everything as it must be, and if not, what to do."""

from collections.abc import Iterator, Sequence

import click
from pydantic import SecretStr

from batches.forecast import exactly
from console.codes import FATAL
from console.context import opened, told
from console.plain import plain
from tasks import guard, health, quarantine
from tasks.connection import Unforeseen
from tasks.environment import origin, store_is_given
from tasks.errors import Error
from tasks.installation import objection
from tasks.settings import Settings, load
from tasks.store import UNSETTLED, Store

Check = tuple[bool | None, str]
"""Fine, not fine, or (None) a warning; and the sentence."""
MARKS = {True: "ok  ", False: "FAIL", None: "warn"}
SHOWN = 5
"""Ids of a kind that are told."""


@click.command(short_help="Check settings, store and processes; say what to do.")
@click.option("--settings", "show", is_flag=True, help="Show each setting and where it came from.")
@told
def doctor(*, show: bool) -> None:
    """Check settings, store and processes; say what to do about what is wrong."""
    settings = load()
    if show:
        for line in _settings(settings):
            click.echo(line)
        return
    checks = [*_of_settings(settings), *_of_store(settings)]
    for fine, text in checks:
        click.echo(f"{MARKS[fine]}  {text}")
    if any(fine is False for fine, _ in checks):
        raise SystemExit(FATAL)


def _of_settings(settings: Settings) -> Iterator[Check]:
    try:
        guard.settings_or_refuse(settings)
    except Error as exc:
        yield False, str(exc)
    for warning in (*guard.warnings(settings), *guard.flower_warnings(settings)):
        yield None, warning
    if store_is_given():
        yield from _of_secrets(settings)
    if settings.api_key is None:
        yield True, "RUNWARE_API_KEY is not set: `up` uses the simulator, nothing is billed"
        return
    yield True, f"RUNWARE_API_KEY is set: the provider is {settings.base_url}"
    if settings.public_url is None:
        yield True, "PUBLIC_URL is not set: results are polled for"
    else:
        yield True, f"PUBLIC_URL: callbacks to {settings.callback_url}"


def _of_secrets(settings: Settings) -> Iterator[Check]:
    """Yield those that are not there, and that processes need which `up` does not start."""
    needed = {
        "REELQUEUE_SECRETS": settings.secrets,
        "REELQUEUE_INSTALLATION_SECRET": settings.installation_secret,
    }
    for name in [name for name, value in needed.items() if value is None]:
        yield (
            None,
            (
                f"{name} is not set: `up` generates it, but a worker or door that is started by "
                "itself refuses to work without; deploy/make-secrets writes it"
            ),
        )


def _of_store(settings: Settings) -> Iterator[Check]:
    strange: list[str] = []
    try:
        store = opened(settings)
        yield from ((not f.refused, f.text) for f in guard.of_store(store, settings))
        strange += guard.misplaced(store)
        yield from ((False, text) for text in strange)
        yield from _of_contents(store, settings)
    except Error as exc:
        yield False, str(exc)
    except Unforeseen as exc:
        if not strange:  # else that is why
            yield False, guard.unforeseen(exc)


def _of_contents(store: Store, settings: Settings) -> Iterator[Check]:
    guard.refuse_scriptless(store)
    yield True, "the store can be written"
    yield from ((False, text) for text in guard.foreign(store))
    mark = store.marks.provider()
    expected = "simulated" if settings.api_key is None else settings.provider_mark
    yield (
        mark in {expected, ""},
        f"the store holds answers of: {mark or 'nobody yet'}"
        + (
            ""
            if mark in {expected, ""}
            else f"; with these settings it would be {expected}. "
            "Give one of them another REELQUEUE_NAMESPACE or REELQUEUE_DATA_DIR"
        ),
    )
    yield _of_installation(store, settings)
    works = store.has_ticker()
    yield works, "a worker is running" if works else "no worker is running: `reelqueue up`"
    yield from _of_work(store)


def _of_installation(store: Store, settings: Settings) -> Check:
    if found := objection(store, settings):
        # Another machine's processes may have the secret of a store that the user names.
        elsewhere = settings.installation_secret is None and store_is_given()
        return None if elsewhere else False, f"the store is refused: {found}"
    if store.marks.installation():
        return True, "the installation secret is that of the store's ids"
    return True, "the store is not marked with an installation secret yet"


_LIMITS = {
    "tasks": "the provider was found to take {} tasks in one submission at most",
    "bytes": "the provider was found to take {} bytes in one submission at most",
    "uuids": "the provider was found to take {} tasks in one poll at most",
    "without": "the provider was found to refuse {}: it is left out",
}


def _of_work(store: Store) -> Iterator[Check]:
    """Yield what is under way; false only where it stands still and the user has not said so."""
    found = health.health(store)
    yield True, f"window: {found.slots:,} of {found.window:,} slots taken"
    for what, most in store.limits.found().items():
        yield True, f"{_LIMITS[what].format(most)}; that is tried again within ten minutes"
    for still in found.pauses:
        by_user = still.seconds is None
        again = "" if by_user else f"; tried again in {exactly(still.seconds or 0)}"
        yield (
            by_user,
            f"{still.what} paused{' by you' if by_user else ''}: {plain(still.reason)}{again}",
        )
    behind = found.backlog
    fine = behind <= UNSETTLED
    oldest = f", the oldest {exactly(behind)} old" if found.endings else ""
    told_ = f"unsettled ends: {found.endings:,}{oldest}"
    yield fine, told_ if fine else f"{told_}: nothing is claimed until they are settled"
    if found.set_aside:
        yield True, f"endings that could not be settled, set aside: {_some(found.set_aside)}"
    if found.parked:
        yield True, f"{found.parked:,} parked: sent again with reelqueue retry BATCH --parked"
    if found.quarantined:
        yield (
            None,
            (
                "callbacks that could not be understood are kept; see reelqueue quarantine: of "
                + _some(found.quarantined)
            ),
        )
    if full := quarantine.full(store):
        yield False, f"no more callbacks are kept of {_some(full)}: replay or drop what there is"


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - SHOWN:,} more" if len(ids) > SHOWN else ""
    return ", ".join(map(plain, ids[:SHOWN])) + more


def _settings(settings: Settings) -> Iterator[str]:
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        shown = "(set, not shown)" if isinstance(value, SecretStr) else value
        yield f"{field.alias}\t{shown}\t{origin(str(field.alias), given=value != field.default)}"
