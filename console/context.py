"""What every verb starts from: settings, the store, and how errors end a command."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import click
from rich.console import Console

from tasks.errors import Error
from tasks.reading import Batch, batch_named
from tasks.settings import Settings, load
from tasks.store import Store

P = ParamSpec("P")
R = TypeVar("R")

FATAL, SOME_FAILED, INTERRUPTED = 1, 3, 130
"""Exit codes beside 0 and click's 2 (DESIGN §7)."""


def told(verb: Callable[P, R]) -> Callable[P, R]:
    """End a verb that raises one of our errors with its sentence and exit code 1."""

    @wraps(verb)
    def command(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return verb(*args, **kwargs)
        except Error as exc:
            click.echo(f"reelqueue: {exc}", err=True)
            raise SystemExit(FATAL) from None

    return command


def data_console() -> Console:
    """Return stdout: tables and data, no colours into a pipe or with NO_COLOR."""
    return Console(highlight=False)


def progress_console() -> Console:
    """Return stderr: progress and remarks."""
    return Console(stderr=True, highlight=False)


def open_store(overrides: dict[str, Any] | None = None) -> tuple[Settings, Store]:
    """Return settings and a store that answers.

    Raises:
        ConfigurationError: nothing is running here and no REDIS_URL is set.
        StoreAway: it does not answer.
    """
    settings = load(overrides)
    store = Store.open(settings.store_url(), settings.namespace)
    store.probe()
    return settings, store


def find(store: Store, name: str) -> Batch:
    """Return the batch called `name`.

    Raises:
        Error: there is none; the text lists what there is.
    """
    batch = batch_named(store, name)
    if batch is None:
        raise Error(f"there is no batch '{name}'; `reelqueue list` shows what there is")
    return batch


def is_simulated(store: Store) -> bool:
    """Whether this store's answers come from the simulator."""
    return store.provider() == "simulated"
