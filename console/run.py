"""`reelqueue run`: up, submit, watch, results, stop, in one."""

import threading
from pathlib import Path

import click

from batches.results import table, write_jsonl
from console.context import progress_console, told
from console.results import jsonl_path
from console.running import only_one, run_with, stop_on_signals
from console.stack import plan
from console.submit import batch_name, name_for, queue_manifest
from console.up import announce
from console.watch import watch_batch
from tasks.settings import load
from tasks.store import Store


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, callback=jsonl_path)
@click.option("--name", callback=batch_name, help="Name of the batch; default: the file's stem.")
@told
def run(file: Path, output: Path, name: str | None) -> None:
    """Start everything, queue FILE, wait, write OUTPUT, stop.

    Interrupted, the same command goes on where it was: nothing is bought twice.
    """
    settings = load()
    data, called = settings.data_dir.absolute(), name_for(file, name)
    stop = stop_on_signals()

    def work(ended: threading.Event) -> int:
        running = load()
        store = Store.open(running.store_url(), running.namespace)
        batch_id = queue_manifest(store, running, file, called, progress_console())
        code = watch_batch(store, batch_id, ended)
        count = write_jsonl(table(store, batch_id, simulated=stack.simulated), output)
        progress_console().print(f"{count} rows written to {output}")
        return code

    with only_one(data):
        stack = plan(settings, simulated=settings.api_key is None)
        announce(stack)
        code = run_with(stack, data, stop, work, None)
    raise SystemExit(code)
