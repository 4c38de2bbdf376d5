"""`reelqueue job`: one job's whole story."""

import json
from datetime import UTC, datetime

import click

from batches.names import jobs_named
from batches.story import Story, describe, story_of
from console.context import find, open_store, told
from console.plain import plain
from tasks import reading
from tasks.errors import Error
from tasks.installation import id_secret
from tasks.job import Attempt, Record
from tasks.money import usd
from tasks.reading import Event
from tasks.settings import Settings
from tasks.store import Store

MOST = 10
"""Job ids told where a custom_id is that of several."""


@click.command(short_help="Tell the story of one job.")
@click.argument("id_", metavar="ID")
@click.option("--batch", "name", help="Batch in which ID is a custom_id.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@told
def job(id_: str, name: str | None, *, as_json: bool) -> None:
    """Tell the story of one job: attempts, moves, callbacks and polls, with their times.

    ID is a job id or any taskUUID of it; with --batch it is a custom_id.
    """
    settings, store = open_store()
    record = _find(settings, store, id_, name)
    story = story_of(store, record)
    if as_json:
        told_ = {**describe(story), "simulated": store.marks.is_simulated()}
        click.echo(json.dumps(told_, default=float))  # the provider's own numbers are Decimals
        return
    for line in _lines(story):
        click.echo(line)


def _find(settings: Settings, store: Store, id_: str, name: str | None) -> Record:
    if name is not None:
        jobs = jobs_named(store, id_secret(store, settings), find(store, name), [id_])[id_]
        if len(jobs) > 1:
            raise Error(f"'{id_}' is the custom_id of {len(jobs)} jobs: {', '.join(jobs[:MOST])}")
        known = jobs[0] if jobs else ""
    else:
        known = reading.job_of(store, id_) or ""
    record = reading.records(store, [known])[0] if known else None
    if record is None:
        where = f" in batch {name}" if name else "; for a custom_id give --batch"
        raise Error(f"there is no job '{id_}'{where}")
    return record


def _lines(story: Story) -> list[str]:
    record, (code, message) = story.record, story.failure
    name = plain(story.request.custom_id)
    lines = [
        f"{name}   {record.state}   {usd(record.cost)} USD   job {record.id}",
        f"  queued {_clock(record.queued_at)}  in batch {record.batch}",
        *(f"  file {plain(file)}" for file in story.request.local_files),
        *(
            f"  attempt {a.number}  taskUUID {a.task_uuid}  sent {_clock(a.submitted_at)}  "
            f"{a.outcome or 'open'}  {usd(a.cost)} USD{_for_the_rest(a)}"
            for a in record.attempts
        ),
        *(_line(event) for event in story.events),
    ]
    if code:
        lines.append(f"  last error: {plain(code)}: {plain(message)}")
    if story.surplus:
        lines.append(
            f"  kept, beyond those asked for: {len(story.surplus)} more; --json shows them"
        )
    if record.flags:
        lines.append(f"  flagged: {', '.join(sorted(record.flags))}")
    return [*lines, plain(story.waits_for)] if story.waits_for else lines


def _for_the_rest(attempt: Attempt) -> str:
    if attempt.beside is None:
        return ""
    return f"  for the {attempt.expected} that attempt {attempt.beside} left missing"


def _line(event: Event) -> str:
    again = f"  x{event.times}, last {_clock(event.last)}" if event.times > 1 else ""
    return f"  {_clock(event.first)}  {event.what:<15} {plain(event.detail)}{again}"


def _clock(ms: int | None) -> str:
    if ms is None:
        return "-"
    local = datetime.fromtimestamp(ms / 1000, UTC).astimezone()
    return local.isoformat(sep=" ", timespec="milliseconds")[:23]
