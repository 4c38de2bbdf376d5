"""`reelqueue quarantine`: callbacks that could not be understood."""

import json
import sys
from collections import Counter
from collections.abc import Iterable

import click
from pydantic import SecretStr

from console.context import open_store, progress_console, told
from console.plain import plain
from tasks import quarantine as kept_bodies
from tasks.masks import without_token
from tasks.quarantine import JOINED, Kept
from tasks.settings import Settings
from tasks.store import Store

EXCERPT = 100
"""Characters of a body that are shown."""
READ = 4_096
"""Bytes of a body that an excerpt is made of."""

MEANINGS = {
    "foreign": "are of another job's task: kept, and never joined",
    "orphan": "are of jobs or tasks that the store does not know",
    "unreadable": "still cannot be understood",
    "full": "found the attempt's results full",
}


@click.command(short_help="List callbacks that could not be understood; replay or drop them.")
@click.argument("jobs", metavar="[JOB]...", nargs=-1)
@click.option("--replay", is_flag=True, help="Read them again, after a fix; joined ones leave.")
@click.option("--drop", is_flag=True, help="Forget them for good.")
@click.option("--all", "everything", is_flag=True, help="With --drop: of all jobs.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print one object a line.")
@told
def quarantine(
    jobs: tuple[str, ...], *, replay: bool, drop: bool, everything: bool, yes: bool, as_json: bool
) -> None:
    """List callbacks that bore a good token and could not be understood.

    Each job keeps at most 16; beyond that its callbacks are answered 503, and polling goes on.
    """
    if replay and drop:
        raise click.UsageError("give either --replay or --drop")
    if drop and everything == bool(jobs):
        raise click.UsageError("--drop needs either JOBs or --all")
    settings, store = open_store()
    bodies = kept_bodies.kept(store, jobs)
    if replay:
        _replay(store, bodies)
    elif drop:
        _confirm(kept_bodies.count(store, jobs), yes=yes)
        _drop(store, bodies)
    else:
        for one in bodies:
            click.echo(_object(one, settings) if as_json else _line(one, settings))


def _replay(store: Store, bodies: Iterable[Kept]) -> None:
    outcomes = Counter(kept_bodies.replay(store, one) for one in bodies)
    out, joined = progress_console(), sum(outcomes[word] for word in JOINED)
    out.print(f"{joined:,} joined to their jobs", markup=False)
    for word, meaning in MEANINGS.items():
        if outcomes[word]:
            out.print(f"{outcomes[word]:,} {meaning}", markup=False)


def _confirm(number: int, *, yes: bool) -> None:
    if not number or yes:
        return
    question = f"{number:,} callbacks will be forgotten for good"
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question}: say --yes")
    click.confirm(f"{question}. Go on?", abort=True, err=True)


def _drop(store: Store, bodies: Iterable[Kept]) -> None:
    gone = sum(kept_bodies.drop(store, one) for one in bodies)
    progress_console().print(f"{gone:,} dropped", markup=False)


def _line(one: Kept, settings: Settings) -> str:
    return f"{plain(one.job)}  {one.digest}  {len(one.body):,} bytes  {excerpt(one.body, settings)}"


def _object(one: Kept, settings: Settings) -> str:
    shown = {"job": one.job, "digest": one.digest, "bytes": len(one.body), "last_ms": one.last}
    return json.dumps({**shown, "excerpt": excerpt(one.body, settings)})


def excerpt(body: bytes, settings: Settings) -> str:
    """Return a body's beginning: on one line, no control characters, none of our secrets."""
    text = plain(body[:READ].decode("utf-8", "replace"))
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            text = text.replace(value.get_secret_value(), "***")
    return without_token(text)[:EXCERPT]
