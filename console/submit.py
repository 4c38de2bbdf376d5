"""`reelqueue submit`: check a manifest whole, then record its rows as jobs."""

import sys
import threading
from functools import partial

import click
from rich.console import Console

from batches.budget import Budget
from batches.checking import Checked
from batches.journal import Journal
from batches.manifest import Manifest
from batches.queueing import Plan, Queueing
from console.context import end_well_on_signals, open_store, progress_console, told
from console.manifest_options import Asked, budget_options, manifest_options
from console.running import stop_on_signals
from console.uploading import heed, remarks, sent, shown, uploads_to
from console.watch import goes_on, watch_batch
from tasks import reading
from tasks.installation import id_secret
from tasks.money import usd
from tasks.reading import Batch
from tasks.settings import Settings, load
from tasks.store import Store

_MOST_WARNINGS = 5


@click.command(short_help="Queue the rows of FILE; --watch to follow them.")
@manifest_options
@budget_options
@click.option("--watch", is_flag=True, help="Follow the batch until it has ended.")
@click.option("--yes", is_flag=True, help="Do not ask before adding rows to a batch that exists.")
@told
def submit(asked: Asked, budget: Budget | None, *, watch: bool, yes: bool) -> None:
    """Queue the rows of FILE: one request each.

    \b
    jobs.jsonl       a JSON object per line; also .ndjson
      {"custom_id": "clip-7", "video": "https://…/7.mp4", "prompt": "What happens?"}
      {"custom_id": "clip-8", "image": "clips/8.jpg", "prompt": "Who?", "maxTokens": 900}
    jobs.csv, .tsv   the same, the first line names the columns; an empty cell is no value
      custom_id,video,prompt,maxTokens,camera
      clip-7,https://…/7.mp4,"What happens, and why?",900,north
    urls.txt, .urls  one URL per line, the kind of medium by its ending
      reelqueue submit urls.txt --prompt "What happens?"
    clips, 'clips/**/*.mp4'   a folder or a pattern, in quotes: each medium in it is a row
      reelqueue submit clips --prompt-file question.txt --set maxTokens=900
    -                standard input, JSON Lines or as --format says
      zcat jobs.csv.gz | reelqueue submit - --format csv --name night

    \b
    custom_id   your key, unique in the file, to find the row in the results; in a folder the
                path, else the line number
    video, image, audio, document, or videos, images, ... with a list: URL, media UUID, base64, or
                a file beside FILE
    prompt      the question; or messages, as the provider has them
    maxTokens, temperature, topP, systemPrompt, thinkingLevel, stopSequences, seed, numberResults,
                model: under the provider's own names
    any other column is yours: {column} in --prompt is filled with it, and the results carry it

    \b
    reelqueue submit jobs.csv --prompt "What does camera {camera} see?" --preview 3
    In --prompt, braces with the name of a column are filled in, all others stay as they are;
    {{camera}} writes {camera}. What a row says wins over options, options over --defaults.

    The whole file is checked before anything is recorded. The same file again adds nothing; rows
    that are new are added to the batch, at the end of its table wherever they stand in the file.

    With --watch, exit codes: 0 all jobs went well, 3 some failed or were cancelled, 4 stopped by
    --max-cost, 130 left with Ctrl-C.
    """
    end_well_on_signals()
    out, called = progress_console(), asked.batch_name
    if asked.preview:
        preview(asked, out, budget)
        return
    settings, store = open_store(writes=True)
    with asked.opened(settings) as manifest:
        checked = checked_whole(manifest, out)
        batch_id = queue_manifest(
            store, settings, manifest, checked, called, budget=budget, ask=not yes
        )
    if store.marks.is_simulated():
        out.print("The provider is SIMULATED: nothing is billed.")
    if not store.has_ticker():
        out.print("Nothing is running here that would submit it: start `reelqueue up`.")
    if watch:
        raise SystemExit(watch_batch(store, batch_id, stop_on_signals(), goes_on(called)))


def preview(asked: Asked, out: Console, budget: Budget | None) -> None:
    """Check a manifest and print its first requests.

    Raises:
        Error: it cannot be queued.
    """
    settings = load()
    with asked.opened(settings) as manifest:
        checked = checked_whole(manifest, out)
        asked.show(manifest, settings, budget)
    out.print(f"{_count(checked.rows, 'row')} checked, nothing was queued")


def checked_whole(manifest: Manifest, out: Console) -> Checked:
    """Check a manifest, and tell what the user should look at.

    Raises:
        BadManifest: it cannot be queued.
    """
    checked = manifest.check()
    for warning in checked.warnings[:_MOST_WARNINGS]:
        out.print(f"warning: {warning}", markup=False)
    if len(checked.warnings) > _MOST_WARNINGS:
        out.print(f"... and {len(checked.warnings) - _MOST_WARNINGS} more warnings")
    return checked


def queue_manifest(
    store: Store,
    settings: Settings,
    manifest: Manifest,
    checked: Checked,
    name: str,
    *,
    budget: Budget | None = None,
    ask: bool = False,
    stop: threading.Event | None = None,
) -> str:
    """Record a manifest that was checked, uploading its local files; returns the batch's id.

    Once `stop` is set it ends with KeyboardInterrupt; the same command again goes on.

    Raises:
        Error: nothing was recorded, or, where the store went away half-way, not all; the same
            command again completes it.
    """
    out = progress_console()
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    journal, secret = Journal(settings.data_dir), id_secret(store, settings)
    with uploads_to(store, settings, checked.files) as uploads:
        queueing = Queueing(store, journal, secret, name, uploads, budget)
        plan = queueing.plan(manifest.rows(), checked.rows, partial(heed, stop))
        _announce(plan, name, out, ask=ask)
        with shown(out, checked.rows, uploads, stop) as heard:
            queued = queueing.queue(manifest.rows(), heard)
    known = f", {plan.known} known before" if plan.known else ""
    if budget and (batch := reading.batch(store, queued.batch_id)):
        out.print(limited(budget, batch), markup=False)
    jobs = _count(queued.added - queued.withheld, "job")
    out.print(f"batch {name}: {jobs} queued{known} ({queued.batch_id})")
    if plan.pruned:
        out.print(
            f"{plan.pruned} of its rows were bought before and pruned: they are not bought again, "
            "and their results are gone. To buy them again give the batch another --name"
        )
    if uploads and uploads.tally.is_any:
        out.print(sent(uploads))
    for remark in remarks(queued):
        out.print(remark, markup=False)
    return queued.batch_id


def limited(budget: Budget, batch: Batch) -> str:
    """Return what a limit means for the batch."""
    sent = batch.reserved + batch.untold
    if batch.cost + sent > budget.most:
        more = f", and what was sent of it may cost {usd(sent)} USD more" if sent else ""
        return (
            f"the batch has already cost {usd(batch.cost)} USD{more}: "
            f"no more of it is sent under --max-cost {usd(budget.most)}"
        )
    told = f"the batch is stopped before it can cost more than {usd(budget.most)} USD"
    if budget.input_tokens is None:
        return f"{told}; its first jobs go one at a time, until it is known what an input costs"
    return told


def _announce(plan: Plan, name: str, out: Console, *, ask: bool) -> None:
    """Say what will be added to a batch that exists; on a terminal, ask."""
    if not plan.new or not plan.batch_exists:
        return
    rows = _count(plan.new, "row")
    adding = f"adding {rows} at the end of its table, {plan.known} already known"
    adding += f", {plan.pruned} bought before and pruned" if plan.pruned else ""
    if ask and sys.stdin.isatty():
        click.confirm(f"Batch {name} exists: {adding}. Go on?", abort=True, err=True)
    else:
        out.print(f"batch {name} exists: {adding}", markup=False)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
