"""`reelqueue demo`: four example analyses through every process, the provider simulated."""

import shutil
import threading
from pathlib import Path

import click
from rich.console import Console

from batches.manifest import manifest_at
from batches.results import table
from batches.table_file import Format, Style, write_table
from console.codes import INTERRUPTED
from console.context import opened, progress_console, told
from console.ready import free_port
from console.running import only_one, run_with, stop_on_signals
from console.stack import JOURNAL, Stack, plan
from console.submit import queue_manifest
from console.tables import results_table
from console.watch import watch_batch
from tasks.environment import CHECKOUT, data_dir_of, inherited
from tasks.settings import isolate, load

MANIFEST = CHECKOUT / "examples" / "four-analyses.jsonl"
NAME = "four-analyses"


@click.command(short_help="See it work: no key, nothing billed.")
@click.option("--stay", is_flag=True, help="Keep everything open afterwards, until Ctrl-C.")
@told
def demo(*, stay: bool) -> None:
    """Show a finished batch: every process, four example analyses, a simulated provider.

    Needs no key and no network, uses free ports and a data folder of its own, and ignores every
    setting of the real service. Nothing is billed. The requests: examples/four-analyses.jsonl.
    """
    data = _own_settings()
    stop = stop_on_signals()
    out = progress_console()
    with only_one(data):
        _start_from_nothing(data)
        stack = plan(load(), simulated=True)  # no secret of an earlier demo is in them
        out.print("[bold]The provider is SIMULATED: no video is looked at, nothing is billed.[/]")
        out.print(f"Flower, to watch the jobs: {stack.flower}/tasks   (starting ...)")
        code = run_with(stack, data, stop, lambda ended: _show(stack, data, ended, stay=stay), None)
    raise SystemExit(code)


def _own_settings() -> Path:
    """Keep nothing of the user's settings but where data stand; return the demo's folder there."""
    data = data_dir_of(inherited()) / "demo"
    isolate(
        {
            "REELQUEUE_DATA_DIR": str(data.absolute()),
            "REELQUEUE_PORT": str(free_port()),
            "REELQUEUE_FLOWER_PORT": str(free_port()),
        }
    )
    return data.absolute()


def _start_from_nothing(data: Path) -> None:
    for folder in ("store", "logs", "secrets", "flower"):
        shutil.rmtree(data / folder, ignore_errors=True)
    for file in ("batches.jsonl", JOURNAL):
        (data / file).unlink(missing_ok=True)


def _show(stack: Stack, data: Path, stop: threading.Event, *, stay: bool) -> int:
    out, settings = progress_console(), load()
    store = opened(settings)
    manifest = manifest_at(MANIFEST)
    batch_id = queue_manifest(store, settings, manifest, manifest.check(), NAME)
    code = watch_batch(store, batch_id, stop, "`reelqueue demo` starts anew.")
    if code == INTERRUPTED:
        return code
    rows = list(table(store, batch_id, simulated=True))
    shown = Console(highlight=False)  # a show for people, whose lines are cut wherever it goes
    for line in results_table(rows, shown.width):
        shown.print(line, soft_wrap=True)
    path = data / f"{NAME}.results.jsonl"
    count = write_table(rows, dict, path, Style(Format.JSONL))
    shown.print(f"{count} rows written to {path}", soft_wrap=True, markup=False)
    if stay:
        where = f"Flower: {stack.flower}/tasks   Logs: {data / 'logs'}"
        out.print(f"Open until Ctrl-C. {where}", markup=False)
        stop.wait()
    return code
