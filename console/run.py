"""`reelqueue run`: up, submit, watch, results, stop, in one."""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from batches.budget import Budget
from batches.checking import Checked
from batches.manifest import Manifest
from batches.results import table
from batches.table_file import ENDINGS, Style, write_table
from batches.table_kinds import kinds
from console.context import opened, progress_console, told
from console.manifest_options import Asked, budget_options, manifest_options
from console.results import say_written, table_path
from console.running import Stop, only_one, run_with, stop_on_signals
from console.stack import plan
from console.submit import checked_whole, preview, queue_manifest
from console.up import announce
from console.watch import watch_batch
from tasks import reading
from tasks.errors import Error
from tasks.settings import Settings, load

_LEFT = (
    "The same command goes on where it was. What there is by now is being written; Ctrl-C again "
    "leaves it unwritten."
)


@click.command(short_help="Start everything, queue FILE, wait, write OUTPUT, stop.")
@manifest_options
@budget_options
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    callback=table_path,
    help="File to write the table to: .jsonl, .csv, .tsv or .parquet.",
)
@told
def run(asked: Asked, budget: Budget | None, output: Path) -> None:
    """Start everything, queue FILE, wait, write OUTPUT, stop.

    FILE is as `reelqueue submit --help` describes it, settings are as in `reelqueue up --help`.

    Interrupted, it writes what there is, unless it is interrupted again; the same command goes on
    where it was, and nothing is bought twice. Exit code 3: it is done, and some jobs failed or were
    cancelled; 4: --max-cost stopped it.
    """
    if asked.preview:
        preview(asked, progress_console(), budget)
        return
    settings = load()
    name = asked.batch_name
    _check_writable(output, asked)
    with asked.opened(settings) as manifest:
        checked = checked_whole(manifest, progress_console())  # before anything is started
        queued, code = _run(settings, manifest, checked, name, output, budget=budget)
        if not queued:  # what came from a stream is kept
            raise SystemExit(code)
    raise SystemExit(code)


def _run(
    settings: Settings,
    manifest: Manifest,
    checked: Checked,
    name: str,
    output: Path,
    *,
    budget: Budget | None,
) -> tuple[bool, int]:
    """Start everything, work and stop; returns whether all is queued, and the exit code."""
    data, stop = settings.data_dir.absolute(), stop_on_signals()
    queued, written = threading.Event(), threading.Event()

    def work(ended: Stop) -> int:
        running = load()
        store = opened(running, writes=True)
        batch_id = queue_manifest(
            store, running, manifest, checked, name, budget=budget, stop=ended
        )
        queued.set()
        code = watch_batch(store, batch_id, ended, _LEFT)
        rows = ended.cutting(table(store, batch_id, simulated=stack.simulated))
        style = Style(ENDINGS[output.suffix.lower()])
        count = write_table(rows, partial(kinds, store, batch_id), output, style)
        written.set()
        say_written(reading.batch(store, batch_id), count, output)
        return code

    with only_one(data):
        stack = plan(settings, simulated=settings.api_key is None)
        announce(stack, settings)
        with _told_unless(written, output):
            code = run_with(stack, data, stop, work, None)
    return queued.is_set(), code


@contextmanager
def _told_unless(written: threading.Event, output: Path) -> Iterator[None]:
    """Say at the end, however it comes, where there is no table."""
    try:
        yield
    finally:
        if not written.is_set():
            progress_console().print(f"No table was written to {output}.", markup=False)


def _check_writable(output: Path, asked: Asked) -> None:
    """See that a file can be written where the table will be, and that it is not the manifest.

    Raises:
        Error: it cannot, or it is.
    """
    if output.is_dir():
        raise Error(f"cannot write {output}: it is a folder")
    if output.exists() and not output.is_file():  # a pipe that nobody reads would hold the end
        raise Error(f"cannot write {output}: it is no regular file; `results -o` writes to a pipe")
    if asked.is_read_from(output):
        raise Error(f"cannot write {output}: it is the manifest itself; name another file")
    try:
        with tempfile.TemporaryFile(dir=output.parent):
            pass
    except OSError as exc:
        raise Error(f"cannot write {output}: {exc.strerror}") from None
