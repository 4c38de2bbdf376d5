"""`reelqueue job`: one job's whole story."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import click

from batches.results import moment
from console.context import find, is_simulated, open_store, told
from console.tables import cell
from tasks import ids, reading
from tasks.errors import Error
from tasks.job import Record, State
from tasks.money import usd
from tasks.reading import Event, Request
from tasks.settings import Settings
from tasks.store import Store
from tasks.wire.answer import Item

WAITS = {
    State.QUEUED: "It waits for a free slot at the provider; `reelqueue up` must be running.",
    State.SUBMITTING: "Its POST is on the way; without an answer it is looked for by poll.",
    State.RESOLVING: "Its POST had no clear answer. Polls look for it; if they stay empty it is "
    "sent again under the same taskUUID, so it is not bought twice.",
    State.PROCESSING: "The provider has it; its result comes by callback or by poll.",
}
PARKED = (
    "PARKED: none of its POSTs had a clear answer and no poll finds it, so it is not sent again by "
    "itself. It is polled every ten minutes, and expires at its deadline."
)


@dataclass(frozen=True)
class Story:
    """What is known of one job."""

    record: Record
    request: Request
    failure: tuple[str, str]  # code and message
    events: list[Event]
    surplus: list[Item]  # results beyond those asked for

    @property
    def waits_for(self) -> str | None:
        """What the job waits for, in a sentence; None where it has ended."""
        if "parked" in self.record.flags and self.record.state is State.RESOLVING:
            return PARKED
        return WAITS.get(self.record.state)


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
    story = Story(
        record,
        reading.requests_of(store, [(record.id, record.batch)])[0],
        reading.failures(store, [record.id])[0],
        reading.history(store, record.id),
        reading.surplus(store, record.id, record.winner or record.attempt),
    )
    if as_json:
        told_ = {**_object(story), "simulated": is_simulated(store)}
        click.echo(json.dumps(told_, default=float))  # the provider's own numbers are Decimals
        return
    for line in _lines(story):
        click.echo(line)


def _find(settings: Settings, store: Store, id_: str, name: str | None) -> Record:
    if name is not None:
        known = ids.job_id(settings.id_secret(), find(store, name).id, id_)
    else:
        known = reading.job_of(store, id_) or ""
    record = reading.records(store, [known])[0] if known else None
    if record is None:
        where = f" in batch {name}" if name else "; for a custom_id give --batch"
        raise Error(f"there is no job '{id_}'{where}")
    return record


def _lines(story: Story) -> list[str]:
    record, (code, message) = story.record, story.failure
    name = cell(story.request.custom_id)
    lines = [
        f"{name}   {record.state}   {usd(record.cost)} USD   job {record.id}",
        f"  queued {_clock(record.queued_at)}  in batch {record.batch}",
        *(
            f"  attempt {a.number}  taskUUID {a.task_uuid}  sent {_clock(a.submitted_at)}  "
            f"{a.outcome or 'open'}  {usd(a.cost)} USD"
            for a in record.attempts
        ),
        *(_line(event) for event in story.events),
    ]
    if code:
        lines.append(f"  last error: {cell(code)}: {cell(message)}")
    if story.surplus:
        lines.append(
            f"  kept, beyond those asked for: {len(story.surplus)} more; --json shows them"
        )
    if record.flags:
        lines.append(f"  flagged: {', '.join(sorted(record.flags))}")
    return [*lines, story.waits_for] if story.waits_for else lines


def _line(event: Event) -> str:
    again = f"  x{event.times}, last {_clock(event.last)}" if event.times > 1 else ""
    return f"  {_clock(event.first)}  {event.what:<15} {cell(event.detail)}{again}"


def _clock(ms: int | None) -> str:
    if ms is None:
        return "-"
    local = datetime.fromtimestamp(ms / 1000, UTC).astimezone()
    return local.isoformat(sep=" ", timespec="milliseconds")[:23]


def _object(story: Story) -> dict[str, object]:
    record, failure = story.record, story.failure
    return {
        "id": record.id,
        "custom_id": story.request.custom_id,
        "batch": record.batch,
        "state": record.state,
        "cost": usd(record.cost),
        "flags": sorted(record.flags),
        "error": {"code": failure[0], "message": failure[1]} if failure[0] else None,
        "attempts": [
            {
                "task_uuid": a.task_uuid,
                "submitted_at": moment(a.submitted_at),
                "ended_at": moment(a.ended_at),
                "outcome": a.outcome or None,
                "cost": usd(a.cost),
            }
            for a in record.attempts
        ],
        "history": [
            {
                "at": moment(e.first),
                "last": moment(e.last),
                "times": e.times,
                "what": e.what,
                "detail": e.detail,
            }
            for e in story.events
        ],
        "surplus": [dict(item.raw) for item in story.surplus],
        "waits_for": story.waits_for,
    }
