"""What every verb starts from: settings, the store, and how errors end a command."""

import errno
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import IO, ParamSpec, TypeVar, cast

import click
from rich.console import Console

from batches.journal import BATCH_NAME
from console.codes import FATAL
from console.orphan import is_running
from console.plain import plain_lines
from console.streams import Remarks
from tasks import guard
from tasks.connection import SILENT, Unforeseen
from tasks.environment import store_is_given
from tasks.errors import Error, StoreAway
from tasks.reading import Batch, batch_named
from tasks.settings import Settings, load
from tasks.store import Store

P = ParamSpec("P")
R = TypeVar("R")

PATIENCE = 8.0
"""Seconds for which a store that may be restarting is waited for."""

_ROOM = (
    "If it is full, make room with `reelqueue prune` or `reelqueue quarantine --drop`, or raise "
    "its maxmemory (of a full disk: free some); if it is read-only, name its primary in REDIS_URL."
)


_FULL = 1024 * 1024
"""Free bytes below which a disk may have been too full for what was to be written."""

_ANY_WIDTH = 100_000
"""Columns, more than any line has."""


def told(verb: Callable[P, R]) -> Callable[P, R]:
    """End a verb that raises one of our errors, or meets a bad file, with a sentence and code 1."""

    @wraps(verb)
    def command(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return verb(*args, **kwargs)
        except Error as exc:
            problem = str(exc)
        except Unforeseen as exc:
            problem = guard.unforeseen(exc)
        except BrokenPipeError:  # `reelqueue results | head`: click ends quietly
            raise
        except OSError as exc:
            problem = _of_system(exc)
        click.echo(f"reelqueue: {plain_lines(problem)}", err=True)
        raise SystemExit(FATAL)

    return command


def _of_system(exc: OSError) -> str:
    if exc.filename:
        return f"{exc.filename}: {exc.strerror}"
    if exc.errno not in {errno.ENOSPC, errno.EDQUOT}:
        return str(exc)
    # What was written is not told by the system; that of these folders is which are full.
    full = [str(folder) for folder in _folders() if _is_full(folder)]
    where = f": free some on the disk of {', '.join(full)}" if full else ""
    return f"{exc.strerror}{where}"


def _folders() -> Iterator[Path]:
    with suppress(Error):
        yield load().data_dir.absolute()
    with suppress(OSError):
        yield Path(tempfile.gettempdir())
    with suppress(OSError):
        yield Path.cwd()


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _FULL
    except OSError:
        return False


def end_well_on_signals() -> None:
    """Let SIGTERM and SIGHUP end a verb as Ctrl-C does, tidied up; `nohup` stays in force."""
    for kind in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(kind) is not signal.SIG_IGN:
            signal.signal(kind, signal.default_int_handler)


def data_console() -> Console:
    """Return stdout: tables and data, no colours into a pipe or with NO_COLOR.

    Where it is no terminal nobody knows a width: lines are as long as what they tell.
    """
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_ANY_WIDTH)


def progress_console(*, unread: bool = False) -> Console:
    """Return stderr: progress and remarks. Lines are not broken: they hold addresses and paths.

    Args:
        unread: Go on where the one that reads has left, which ends other verbs.
    """
    file = cast("IO[str]", Remarks(sys.stderr, unread=unread))
    return Console(file=file, stderr=True, highlight=False, soft_wrap=True)


def open_store(*, writes: bool = False) -> tuple[Settings, Store]:
    """Return settings and a store that answers; one that is restarting is waited for a while.

    Args:
        writes: It must be writable, too. What frees memory, or only reads, can do without.

    Raises:
        ConfigurationError: nothing is running here and no REDIS_URL is set.
        StoreAway: it does not answer, or cannot write.
    """
    settings = load()
    try:
        return settings, opened(settings, writes=writes)
    except StoreAway:
        if not comes_back(settings):
            raise
    away = "does not answer, or cannot write" if writes else "does not answer"
    progress_console().print(f"The store {away}; it is asked again for {PATIENCE:g} s.")
    give_up = time.monotonic() + PATIENCE
    while True:
        time.sleep(0.3)
        settings = load()  # a new `up` keeps its store at a new address
        try:
            return settings, opened(settings, writes=writes)
        except StoreAway:
            if time.monotonic() >= give_up:
                raise


def comes_back(settings: Settings) -> bool:
    """Whether a store that is away may be restarting: the user's own, or that of a living `up`."""
    return store_is_given() or is_running(settings.data_dir)


def reopened(store: Store) -> Store:
    """Return a store at the address that the settings name by now; else `store` itself."""
    store.client.close()
    try:
        settings = load()
        return Store.open(settings.store_url(), settings.namespace)
    except Error:
        return store


def opened(settings: Settings, timeout: float = 5.0, *, writes: bool = False) -> Store:
    """Return the store of these settings, which answers within `timeout` seconds.

    Raises:
        ConfigurationError: there is none, or it is Redis Cluster.
        StoreAway: it does not answer, or cannot write where it must; the text says what to do.
    """
    store = Store.open(settings.store_url(), settings.namespace, timeout)
    try:
        guard.refuse_cluster(store)
    except StoreAway as exc:
        if not str(exc).startswith(SILENT):
            raise
        raise StoreAway(f"{exc}. {_where_to_look(settings)}") from None
    if writes:
        _refuse_unwritable(store)
    return store


def _refuse_unwritable(store: Store) -> None:
    try:
        store.probe()
    except StoreAway as exc:
        raise StoreAway(f"{str(exc).rstrip('.')}. {_ROOM}") from None


def _where_to_look(settings: Settings) -> str:
    if store_is_given():
        return "REDIS_URL names it: is it running there, and is the password right?"
    if is_running(settings.data_dir):
        logs = settings.data_dir.absolute() / "logs"
        return f"`reelqueue up` is running, but its store is not: look into {logs}/store.log."
    return "It runs with `reelqueue up`: start that."


def find(store: Store, name: str) -> Batch:
    """Return the batch called `name`.

    Raises:
        Error: there is none; the text lists what there is.
    """
    batch = batch_named(store, name) if BATCH_NAME.fullmatch(name) else None
    if batch is None:
        raise Error(f"there is no batch '{name}'; `reelqueue list` shows what there is")
    return batch
