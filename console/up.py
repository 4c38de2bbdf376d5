"""`reelqueue up`: everything in the foreground until Ctrl-C."""

import threading

import click

from console.context import progress_console, told
from console.running import only_one, run_with, stop_on_signals
from console.stack import Stack, plan
from tasks.settings import Settings, load


@click.command(short_help="Keep everything running until Ctrl-C.")
@told
def up() -> None:
    """Run store, worker, callback door and Flower here until Ctrl-C or SIGTERM.

    \b
    RUNWARE_API_KEY        the real service; without it the provider is SIMULATED
    PUBLIC_URL             https address under which Runware reaches REELQUEUE_PORT;
                           without it results are polled for
    REDIS_URL              your Redis or Valkey; without it one is kept in the data folder
    REELQUEUE_PORT         callbacks and health (8000)
    REELQUEUE_FLOWER_PORT  Flower (5555)
    REELQUEUE_DATA_DIR     store, logs and generated secrets (.reelqueue in the checkout)

    They stand in the environment or in the checkout's .env; `reelqueue doctor --settings` shows
    what is used. Logs: DATA/logs/*.log. Killed or stopped at any moment, the next `up` goes on
    where it was.
    """
    settings = load()
    data, stop = settings.data_dir.absolute(), stop_on_signals()
    with only_one(data):
        stack = plan(settings, simulated=settings.api_key is None)
        announce(stack, settings)
        code = run_with(stack, data, stop, _ready)
    raise SystemExit(code)


def announce(stack: Stack, settings: Settings) -> None:
    """Say where things are, and in words nobody can miss whether the provider is real."""
    out = progress_console()
    if stack.simulated:
        out.print(
            "[bold]RUNWARE_API_KEY is not set: the provider is SIMULATED. No video is looked at,\n"
            "nothing is billed; every record and table says so.[/]"
        )
    else:
        out.print(f"Provider: {settings.base_url}. It bills what is submitted.")
        roads = settings.callback_url or "none, results are polled for (PUBLIC_URL is not set)"
        out.print(f"Callbacks: {roads}")
    out.print(f"Flower, to watch the jobs: {stack.flower}/tasks   (starting ...)")


def _ready(stop: threading.Event) -> int:
    progress_console().print(
        "[bold]Ready.[/] In another terminal: reelqueue submit FILE --watch   (Ctrl-C here stops)"
    )
    stop.wait()
    return 0
