"""`reelqueue status` and `reelqueue list`: how batches stand."""

import json
from typing import Any

import click
from rich import box
from rich.table import Table

from batches.view import describe, sentence
from console.context import data_console, find, is_simulated, open_store, progress_console, told
from console.tables import SIMULATED, cell
from tasks import reading
from tasks.money import usd
from tasks.reading import Batch
from tasks.store import Store


@click.command(short_help="Say how a batch stands.")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the batch object as JSON.")
@told
def status(name: str, *, as_json: bool) -> None:
    """Say how batch NAME stands."""
    _, store = open_store()
    batch = find(store, name)
    if as_json:
        click.echo(json.dumps(_object(batch, store)))
        return
    reason = store.paused().get("*") or batch.paused
    paused = f"; PAUSED: {reason}" if reason else ""
    simulated = " (SIMULATED)" if is_simulated(store) else ""
    click.echo(f"{batch.name} {sentence(batch)}, {usd(batch.cost)} USD{simulated}{paused}")


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
    title = SIMULATED if is_simulated(store) else None
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", padding=(0, 1, 0, 0))
    for column in ("batch", "stands", "jobs", "cost USD", "id"):
        right = column in {"jobs", "cost USD"}
        # An id is there to be copied: it is never broken.
        table.add_column(
            column, justify="right" if right else "left", overflow="fold", no_wrap=column == "id"
        )
    for batch in known:
        row = (batch.name, sentence(batch), str(batch.total), usd(batch.cost), batch.id)
        table.add_row(*map(cell, row))
    data_console().print(table)


def _object(batch: Batch, store: Store) -> dict[str, Any]:
    return {**describe(batch), "simulated": is_simulated(store)}
