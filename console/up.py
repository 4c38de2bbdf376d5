"""`reelqueue up`: everything in the foreground until Ctrl-C."""

import threading

import click

from console.context import progress_console, told
from console.running import only_one, run_with, stop_on_signals
from console.stack import Stack, plan
from tasks.settings import load


@click.command()
@told
def up() -> None:
    """Run store, worker, callback door and Flower here until Ctrl-C or SIGTERM.

    Without RUNWARE_API_KEY the provider is simulated, and it says so. Without REDIS_URL a store is
    kept in the data folder. Without PUBLIC_URL results are polled for. Logs: DATA/logs/*.log.
    """
    settings = load()
    stop = stop_on_signals()
    with only_one(settings.data_dir.absolute()):
        stack = plan(settings, simulated=settings.api_key is None)
        announce(stack)
        code = run_with(
            stack,
            settings.data_dir.absolute(),
            stop,
            lambda ended: _ready(stack, ended),
        )
    raise SystemExit(code)


def announce(stack: Stack) -> None:
    """Say where things are, and in words nobody can miss whether the provider is real."""
    out = progress_console()
    if stack.simulated:
        out.print(
            "[bold]RUNWARE_API_KEY is not set: the provider is SIMULATED. No video is looked at, "
            "nothing is billed; every record and table says so.[/]"
        )
    out.print(f"Flower: {stack.flower}   Callbacks: {stack.webhooks}/webhooks/runware")


def _ready(stack: Stack, stop: threading.Event) -> int:
    progress_console().print(
        f"[bold]Ready.[/] Queue with: reelqueue submit FILE --watch   Flower: {stack.flower}"
    )
    stop.wait()
    return 0
