"""`reelqueue demo`: four real requests through every process, the provider simulated."""

import shutil
import threading
from pathlib import Path

import click

from batches.results import table, write_jsonl
from console.context import data_console, progress_console, told
from console.progress import follow
from console.running import only_one, run_with, stop_on_signals
from console.stack import Stack, free_port, plan
from console.submit import queue_manifest
from console.tables import results_table
from tasks import reading
from tasks.settings import CHECKOUT, DEFAULT_DATA_DIR, Settings, inherited, isolate, load
from tasks.store import Store

MANIFEST = CHECKOUT / "examples" / "four-analyses.jsonl"
NAME = "four-analyses"


@click.command()
@click.option("--stay", is_flag=True, help="Keep everything open afterwards, until Ctrl-C.")
@told
def demo(*, stay: bool) -> None:
    """Show a finished batch: every process, four real requests, a simulated provider.

    Needs no key and no network, uses free ports and a data folder of its own, and ignores every
    setting of the real service. Nothing is billed.
    """
    settings = _own_settings()
    data = settings.data_dir
    stop = stop_on_signals()
    out = progress_console()
    with only_one(data):
        for folder in ("store", "logs", "secrets"):  # each demo starts from nothing
            shutil.rmtree(data / folder, ignore_errors=True)
        (data / "batches.jsonl").unlink(missing_ok=True)
        stack = plan(settings, simulated=True, latency=2.0)
        out.print("[bold]The provider is SIMULATED: no video is looked at, nothing is billed.[/]")
        out.print(f"Flower, to watch the jobs: {stack.flower}   (starting ...)")
        code = run_with(stack, data, stop, lambda ended: _show(stack, data, ended, stay=stay), None)
    raise SystemExit(code)


def _own_settings() -> Settings:
    """Return settings that nothing of the user's reaches but the place of the data folder."""
    data = Path(inherited().get("REELQUEUE_DATA_DIR") or DEFAULT_DATA_DIR) / "demo"
    isolate(
        {
            "REELQUEUE_DATA_DIR": str(data.absolute()),
            "REELQUEUE_PORT": str(free_port()),
            "REELQUEUE_FLOWER_PORT": str(free_port()),
        }
    )
    return load()


def _show(stack: Stack, data: Path, stop: threading.Event, *, stay: bool) -> int:
    out = progress_console()
    settings = load()
    store = Store.open(settings.store_url(), settings.namespace)
    batch_id = queue_manifest(store, settings, MANIFEST, NAME, out)
    follow(store, batch_id, out, stop)
    if stop.is_set():
        return 130
    rows = list(table(store, batch_id, simulated=True))
    data_console().print(results_table(rows, simulated=True))
    path = data / f"{NAME}.results.jsonl"
    count = write_jsonl(iter(rows), path)
    data_console().print(f"{count} rows written to {path}", soft_wrap=True)
    if stay:
        out.print(f"Open until Ctrl-C. Flower: {stack.flower}   Data: {data}", soft_wrap=True)
        stop.wait()
    batch = reading.batch(store, batch_id)
    return 0 if batch and batch.open == 0 else 1
