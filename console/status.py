"""`reelqueue status` and `reelqueue list`: how batches stand."""

import json
import time
from collections.abc import Iterator
from typing import Any

import click
from rich import box
from rich.table import Table

from batches.budget import stopped
from batches.forecast import roughly
from batches.view import describe, half_recorded, needs_word, sentence
from console.context import data_console, find, open_store, progress_console, told
from console.plain import plain
from console.tables import SIMULATED, cell
from tasks import health, reading, verbs
from tasks.money import usd
from tasks.reading import Batch
from tasks.store import Store


@click.command(short_help="Say how a batch stands.")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the batch object as JSON.")
@told
def status(name: str, *, as_json: bool) -> None:
    """Say how batch NAME stands; `watch NAME --once` says more.

    The JSON object speaks OpenAI's words: request_counts {total, completed, failed, cancelled,
    in_progress, queued}. Of these failed counts partial and expired jobs too; states tells them
    apart.
    """
    _, store = open_store()
    batch = find(store, name)
    if as_json:
        click.echo(json.dumps(_object(batch, store)))
        return
    simulated = " (SIMULATED)" if store.marks.is_simulated() else ""
    click.echo(f"{batch.name} {sentence(batch)}, {usd(batch.cost)} USD{simulated}")
    for line in _remarks(batch, store):
        click.echo(f"  {line}")


def _remarks(batch: Batch, store: Store) -> Iterator[str]:
    reason = verbs.held(store) or store.paused().get("*") or batch.paused
    if reason and batch.open:
        yield f"PAUSED: {plain(reason)}"
    if batch.is_spent:
        yield stopped(batch)
    if half_recorded(batch):
        yield half_recorded(batch)
    if batch.parked:
        yield needs_word(batch.parked, batch.name)
    if batch.open and not store.has_ticker():
        yield "nothing is running: reelqueue up"


@click.command("list", short_help="List all batches.")
@click.option("--json", "as_json", is_flag=True, help="Print one batch object per line.")
@told
def list_(*, as_json: bool) -> None:
    """List all batches, oldest first."""
    _, store = open_store()
    known = reading.batches(store)
    if as_json:
        for batch in known:
            click.echo(json.dumps(_object(batch, store)))
        return
    if not known:
        progress_console().print("no batches yet: reelqueue submit FILE")
        return
    data_console().print(_table(known, simulated=store.marks.is_simulated()))
    for line in _left_over(store):
        progress_console().print(line, markup=False)


def _table(batches: list[Batch], *, simulated: bool) -> Table:
    title = SIMULATED if simulated else None
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", padding=(0, 1, 0, 0))
    for column in ("batch", "stands", "jobs", "cost USD", "age", "id"):
        right = column in {"jobs", "cost USD", "age"}
        # An id is there to be copied: it is never broken.
        table.add_column(
            column, justify="right" if right else "left", overflow="fold", no_wrap=column == "id"
        )
    now = time.time()
    for batch in batches:
        age = roughly(now - batch.created / 1000)
        row = (batch.name, sentence(batch), f"{batch.total:,}", usd(batch.cost), age, batch.id)
        table.add_row(*map(cell, row))
    return table


def _left_over(store: Store) -> Iterator[str]:
    """Yield what waits for the user, of whatever batch."""
    parked, bodies = health.totals(store).parked, len(health.quarantined(store))
    if parked:
        yield f"{parked:,} parked: sent again only on your word, reelqueue retry BATCH --parked"
    if bodies:
        yield f"{bodies:,} with callbacks that could not be understood, kept: reelqueue doctor"


def _object(batch: Batch, store: Store) -> dict[str, Any]:
    return {**describe(batch), "simulated": store.marks.is_simulated()}
