"""`reelqueue doctor`: is everything as it must be, and if not, what to do."""

from collections.abc import Iterator
from typing import Any

import click
from pydantic import SecretStr

from console.context import FATAL, opened, told
from tasks.errors import Error
from tasks.lua import store_errors
from tasks.settings import Settings, load, origin
from tasks.store import Store

Check = tuple[bool, str]


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
        click.echo(f"{'ok  ' if fine else 'FAIL'}  {text}")
    if not all(fine for fine, _ in checks):
        raise SystemExit(FATAL)


def _of_settings(settings: Settings) -> Iterator[Check]:
    if settings.api_key is None:
        yield True, "RUNWARE_API_KEY is not set: `up` uses the simulator, nothing is billed"
        return
    yield True, f"RUNWARE_API_KEY is set: the provider is {settings.base_url}"
    if settings.public_url is None:
        yield True, "PUBLIC_URL is not set: results are polled for"
    else:
        safe = settings.public_url.startswith("https://")
        told_ = f"PUBLIC_URL: callbacks to {settings.callback_url}"
        yield True, told_ if safe else f"{told_} (plain http: anyone on the way can read results)"


def _of_store(settings: Settings) -> Iterator[Check]:
    try:
        store = opened(settings)
    except Error as exc:
        yield False, str(exc)
        return
    yield True, "the store can be written"
    yield from _of_durability(store)
    mark = store.provider()
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
    works = store.has_ticker()
    yield works, "a worker is running" if works else "no worker is running: `reelqueue up`"
    for what, reason in store.paused().items():
        yield False, f"{'all' if what == '*' else what} paused: {reason}"


def _of_durability(store: Store) -> Iterator[Check]:
    with store_errors():
        memory: dict[str, Any] = store.client.info("memory")
        persistence: dict[str, Any] = store.client.info("persistence")
    policy = str(memory.get("maxmemory_policy"))
    yield (
        policy == "noeviction",
        f"maxmemory-policy {policy}"
        + ("" if policy == "noeviction" else ": records would vanish; CONFIG SET it to noeviction"),
    )
    kept = bool(persistence.get("aof_enabled"))
    yield kept, "appendonly " + ("yes" if kept else "no: a restart loses records; CONFIG SET it")


def _settings(settings: Settings) -> Iterator[str]:
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        shown = "(set, not shown)" if isinstance(value, SecretStr) else value
        yield f"{field.alias}\t{shown}\t{origin(str(field.alias), given=value != field.default)}"
