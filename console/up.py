"""`reelqueue up`: everything in the foreground until Ctrl-C."""

import threading
import time
from contextlib import closing

import click

from batches.view import counters
from console.context import progress_console, told
from console.plain import plain
from console.running import only_one, run_with, stop_on_signals
from console.stack import Stack, plan
from tasks import guard, health, verbs
from tasks.connection import Unforeseen
from tasks.errors import Error
from tasks.money import usd
from tasks.settings import Settings, load
from tasks.store import Store

READY = "[bold]Ready.[/] In another terminal: reelqueue submit FILE --watch   (Ctrl-C here stops)"
TELL_EVERY = 10.0
"""Least seconds between two lines that sum up what has changed."""


@click.command(short_help="Keep everything running until Ctrl-C.")
@click.option("--verbose", is_flag=True, help="Show all that the processes log.")
@told
def up(*, verbose: bool) -> None:
    """Run store, worker, callback door and Flower here until Ctrl-C or SIGTERM.

    \b
    RUNWARE_API_KEY        the real service; without it the provider is SIMULATED
    PUBLIC_URL             https address under which Runware reaches REELQUEUE_PORT;
                           without it results are polled for
    REDIS_URL              your Redis or Valkey; without it one is kept in the data folder
    REELQUEUE_PORT         callbacks and health (8000)
    REELQUEUE_FLOWER_PORT  Flower (5555)
    REELQUEUE_API_TOKEN    starts the HTTP API, at REELQUEUE_API_PORT (8001), for those who bear it
    REELQUEUE_DATA_DIR     store, logs and generated secrets (.reelqueue in the checkout)

    They stand in the environment or in the checkout's .env; `reelqueue doctor --settings` shows
    what is used. Shown here: warnings, restarts, and at most every 10 s what has changed. All that
    is logged: DATA/logs/*.log. Killed or stopped at any moment, the next `up` goes on where it was.
    """
    settings = load()
    data, stop = settings.data_dir.absolute(), stop_on_signals()
    with only_one(data):
        stack = plan(settings, simulated=settings.api_key is None)
        announce(stack, settings)
        work = _ready if verbose else _ready_and_telling
        code = run_with(stack, data, stop, work, quiet=not verbose)
    raise SystemExit(code)


def announce(stack: Stack, settings: Settings) -> None:
    """Say where things are, and in words nobody can miss whether the provider is real."""
    out = progress_console(unread=True)
    for warning in guard.warnings(settings):
        out.print(f"Warning: {warning}", markup=False)
    if stack.simulated:
        out.print(
            "[bold]RUNWARE_API_KEY is not set: the provider is SIMULATED. No video is looked at,\n"
            "nothing is billed; every record and table says so.[/]"
        )
    else:
        out.print(f"Provider: {settings.base_url}. It bills what is submitted.")
        roads = settings.callback_url or "none, results are polled for (PUBLIC_URL is not set)"
        out.print(f"Callbacks: {roads}")
    if stack.api:
        out.print(f"API: {stack.api}/v1/batches   (Authorization: Bearer REELQUEUE_API_TOKEN)")
    out.print(f"Flower, to watch the jobs: {stack.flower}/tasks   (starting ...)")


def _ready(stop: threading.Event) -> int:
    progress_console(unread=True).print(READY)
    stop.wait()
    return 0


def _ready_and_telling(stop: threading.Event) -> int:
    settings, out = load(), progress_console(unread=True)
    out.print(READY)
    told_before = summary(settings)
    while not stop.wait(TELL_EVERY):
        line = summary(settings)
        if line and line != told_before:
            out.print(f"{time.strftime('%H:%M:%S')} {line}", markup=False)
            told_before = line
    return 0


def summary(settings: Settings) -> str:
    """Return the counters over all batches and why nothing is claimed; empty while unknown.

    By a connection of its own: who only reads is told of no fail-over.
    """
    store = Store.open(settings.store_url(), settings.namespace)
    try:
        with closing(store.client):
            totals = health.totals(store)
            paused = verbs.held(store) or store.paused().get("*", "")
    except (Error, Unforeseen):  # the store is away, or refuses: `doctor` says what is there
        return ""
    reason = f"PAUSED: {plain(paused)} · " if paused else ""
    return f"{reason}{counters(totals.states) or 'no jobs'} · {usd(totals.cost)} USD"
