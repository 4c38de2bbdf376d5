"""`reelqueue run`: up, submit, watch, results, stop, in one."""

import tempfile
import threading
from pathlib import Path

import click

from batches import manifest
from batches.results import table, write_jsonl
from console.context import opened, progress_console, told
from console.results import jsonl_path, say_written
from console.running import only_one, run_with, stop_on_signals
from console.stack import plan
from console.submit import batch_name, name_for, queue_manifest
from console.up import announce
from console.watch import watch_batch
from tasks import reading
from tasks.errors import Error
from tasks.settings import load


@click.command(short_help="Start everything, queue FILE, wait, write OUTPUT, stop.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    callback=jsonl_path,
    help="File to write the table to, as JSON Lines.",
)
@click.option("--name", callback=batch_name, help="Name of the batch; default: the file's stem.")
@told
def run(file: Path, output: Path, name: str | None) -> None:
    """Start everything, queue FILE, wait, write OUTPUT, stop.

    FILE is as `reelqueue submit --help` describes it, settings are as in `reelqueue up --help`.

    Interrupted, it writes what there is; the same command goes on where it was, and nothing is
    bought twice. Exit code 3: it is done, and some jobs failed.
    """
    settings = load()
    data, called = settings.data_dir.absolute(), name_for(file, name)
    manifest.check(file)  # before anything is started or paid for
    _check_writable(output)
    stop = stop_on_signals()

    def work(ended: threading.Event) -> int:
        running = load()
        store = opened(running)
        batch_id = queue_manifest(store, running, file, called, progress_console())
        code = watch_batch(store, batch_id, ended, "The same command goes on where it was.")
        count = write_jsonl(table(store, batch_id, simulated=stack.simulated), output)
        say_written(reading.batch(store, batch_id), count, output)
        return code

    with only_one(data):
        stack = plan(settings, simulated=settings.api_key is None)
        announce(stack, settings)
        code = run_with(stack, data, stop, work, None)
    raise SystemExit(code)


def _check_writable(output: Path) -> None:
    """See that a file can be written where the table will be.

    Raises:
        Error: it cannot.
    """
    if output.is_dir():
        raise Error(f"cannot write {output}: it is a folder")
    try:
        with tempfile.TemporaryFile(dir=output.parent):
            pass
    except OSError as exc:
        raise Error(f"cannot write {output}: {exc.strerror}") from None
