"""`reelqueue submit`: check a manifest whole, then record its rows as jobs."""

import re
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from batches import manifest
from batches.journal import Journal
from batches.queueing import Queueing
from console.context import is_simulated, open_store, progress_console, told
from console.running import stop_on_signals
from console.watch import goes_on, watch_batch
from tasks.errors import Error
from tasks.settings import Settings
from tasks.store import Store

BATCH_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def batch_name(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Refuse a --name that is none.

    Raises:
        click.BadParameter: as a usage error, exit code 2.
    """
    if value is not None and not BATCH_NAME.fullmatch(value):
        raise click.BadParameter("1 to 64 of A-Z a-z 0-9 . _ -")
    return value


def name_for(file: Path, name: str | None) -> str:
    """Return the batch name: the given one, else the manifest's stem.

    Raises:
        Error: the stem is no batch name.
    """
    if name is not None:
        return name
    if not BATCH_NAME.fullmatch(file.stem):
        raise Error(f"'{file.stem}' is no batch name (1 to 64 of A-Z a-z 0-9 . _ -): give --name")
    return file.stem


@click.command(short_help="Queue the rows of FILE; --watch to follow them.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", callback=batch_name, help="Name of the batch; default: the file's stem.")
@click.option("--watch", is_flag=True, help="Follow the batch until it has ended.")
@click.option("--yes", is_flag=True, help="Do not ask before adding rows to a batch that exists.")
@told
def submit(file: Path, name: str | None, *, watch: bool, yes: bool) -> None:
    """Queue the rows of FILE, JSON Lines, one request a line.

    \b
    {"custom_id": "clip-7", "video": "https://…/7.mp4", "prompt": "What happens?"}
    {"custom_id": "clip-8", "image": "https://…/8.jpg", "prompt": "Who?", "maxTokens": 900}

    \b
    custom_id   your key, unique in the file, to find the row in the results; else the line number
    video, image, audio, document, or videos, images, ... with a list: URL, media UUID or base64
    prompt      the question; or messages, as the provider has them
    maxTokens, temperature, topP, systemPrompt, thinkingLevel, stopSequences, seed, numberResults,
                model: under the provider's own names
    any other column is yours and is carried to the results

    The whole file is checked before anything is recorded. The same file again adds nothing; rows
    that are new are added to the batch.

    With --watch, exit codes: 0 all jobs went well, 3 some failed, 130 left with Ctrl-C.
    """
    settings, store = open_store()
    out = progress_console()
    called = name_for(file, name)
    batch_id = queue_manifest(store, settings, file, called, out, ask=not yes)
    if is_simulated(store):
        out.print("The provider is SIMULATED: nothing is billed.")
    if not store.has_ticker():
        out.print("Nothing is running here that would submit it: start `reelqueue up`.")
    if watch:
        raise SystemExit(watch_batch(store, batch_id, stop_on_signals(), goes_on(called)))


def queue_manifest(
    store: Store, settings: Settings, file: Path, name: str, out: Console, *, ask: bool = False
) -> str:
    """Check and record a manifest; returns the batch's id.

    Raises:
        Error: nothing was recorded, or, where the store went away half-way, not all; the same
            command again completes it.
    """
    checked = manifest.check(file)
    for warning in checked.warnings[:5]:
        out.print(f"warning: {warning}", markup=False)
    if len(checked.warnings) > 5:  # noqa: PLR2004  as many as are shown
        out.print(f"... and {len(checked.warnings) - 5} more warnings")
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    queueing = Queueing(store, Journal(settings.data_dir), settings.id_secret(), name)
    plan = queueing.plan(manifest.rows(file))
    if ask and plan.new and plan.batch_exists and sys.stdin.isatty():
        click.confirm(f"Batch {name} exists. Add {plan.new} rows to it?", abort=True, err=True)
    with Progress(console=out, transient=True, disable=not out.is_terminal) as progress:
        bar = progress.add_task("queueing", total=checked.rows)
        batch_id = queueing.queue(manifest.rows(file), lambda count: progress.advance(bar, count))
    known = f", {plan.known} known before" if plan.known else ""
    jobs = "job" if plan.new == 1 else "jobs"
    out.print(f"batch {name}: {plan.new} {jobs} queued{known} ({batch_id})")
    return batch_id
