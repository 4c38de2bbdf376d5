"""Naming jobs on the command line: rows of a batch, or jobs by id; and asking before it is done."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from batches import orders
from console.context import find
from console.plain import plain
from tasks.errors import Error
from tasks.installation import id_secret
from tasks.reading import Batch
from tasks.settings import Settings
from tasks.store import Store

MOST_CHARACTERS = 256
"""Of a custom_id."""
Verb = TypeVar("Verb", bound=Callable[..., object])


def which_jobs(verb: Verb) -> Verb:
    """Add NAME, --id, --ids-from and --job to a verb."""
    for add in (
        click.option("--job", "jobs", multiple=True, metavar="ID", help="A job, by any taskUUID."),
        click.option(
            "--ids-from",
            type=click.Path(path_type=Path, allow_dash=True),
            metavar="FILE",
            help="Rows of the batch: a custom_id a line; - is standard input.",
        ),
        click.option(
            "--id", "custom_ids", multiple=True, metavar="CUSTOM_ID", help="A row of the batch."
        ),
        click.argument("name", required=False),
    ):
        verb = add(verb)
    return verb


@dataclass(frozen=True)
class Named:
    """What the command line names.

    Raises:
        click.UsageError: neither a batch nor a job is named, or both are.
    """

    name: str | None  # of a batch
    custom_ids: Sequence[str]
    ids_from: Path | None
    jobs: Sequence[str]

    def __post_init__(self) -> None:
        if self.jobs and (self.name or self.custom_ids or self.ids_from):
            raise click.UsageError("--job names jobs of any batch: give it without NAME and --id")
        if not self.jobs and self.name is None:
            raise click.UsageError("give the batch's NAME, or --job ID")


def chosen(settings: Settings, store: Store, named: Named) -> tuple[Batch | None, list[str]]:
    """Return the batch, if one is named, and the ids of the jobs that are; none: the whole batch.

    Raises:
        Error: a name or an id is not known, or the file cannot be read.
    """
    if named.name is None:
        return None, orders.of_ids(store, named.jobs)
    batch = find(store, named.name)
    wanted = [*named.custom_ids, *(_listed(named.ids_from) if named.ids_from else [])]
    if not wanted:
        return batch, []
    return batch, orders.named(store, id_secret(store, settings), batch, wanted)


def _listed(file: Path) -> list[str]:
    """Return the lines of a file; empty ones are left out.

    Raises:
        Error: it is no text of short lines; the text names the line. Or it has none.
    """
    named = "standard input" if str(file) == "-" else str(file)
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as exc:
        raise Error(f"cannot read {named}: {exc.strerror}") from exc
    lines = []
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            line = raw.removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError:
            raise Error(f"{named}, line {number}: not UTF-8; save the list as UTF-8") from None
        if len(line) > MOST_CHARACTERS:
            raise Error(
                f"{named}, line {number}: {len(line)} characters, and a custom_id has at most "
                f"{MOST_CHARACTERS}"
            )
        lines.append(line)
    if not any(line.strip() for line in lines):
        raise Error(f"{named} names no row: it needs a custom_id a line")
    return [line for line in lines if line.strip()]


def confirm(question: str, *, yes: bool) -> None:
    """Ask on a terminal; elsewhere, or with --yes, go on.

    Raises:
        click.Abort: the answer is no.
    """
    if not yes and sys.stdin.isatty():
        click.confirm(question, abort=True, err=True)


def jobs_of(count: int) -> str:
    """Return `1 job`, `2 jobs`."""
    return f"{count:,} job{'' if count == 1 else 's'}"


def where(batch: Batch | None) -> str:
    """Return ` of batch NAME`, or nothing."""
    return f" of batch {plain(batch.name)}" if batch else ""
