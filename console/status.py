"""`reelqueue status` and `reelqueue list`: how batches stand."""

import json

import click
from rich.table import Table

from batches.view import describe, sentence
from console.context import data_console, find, open_store, told
from console.tables import cell
from tasks import reading
from tasks.money import usd


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the batch object as JSON.")
@told
def status(name: str, *, as_json: bool) -> None:
    """Say how batch NAME stands."""
    _, store = open_store()
    batch = find(store, name)
    if as_json:
        click.echo(json.dumps(describe(batch)))
        return
    everything = store.paused().get("*")
    paused = f"; PAUSED: {everything or batch.paused}" if everything or batch.paused else ""
    click.echo(f"{batch.name} {sentence(batch)}, {usd(batch.cost)} USD{paused}")


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one batch object per line.")
@told
def list_(*, as_json: bool) -> None:
    """List all batches, oldest first."""
    _, store = open_store()
    known = reading.batches(store)
    if as_json:
        for batch in known:
            click.echo(json.dumps(describe(batch)))
        return
    table = Table()
    for column in ("batch", "stands", "jobs", "cost USD", "id"):
        table.add_column(column)
    for batch in known:
        row = (batch.name, sentence(batch), str(batch.total), usd(batch.cost), batch.id)
        table.add_row(*map(cell, row))
    data_console().print(table if known else "no batches yet: reelqueue submit FILE")
