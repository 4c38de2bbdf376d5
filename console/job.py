"""`reelqueue job`: one job's whole story."""

import json
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

WAITS = {
    State.QUEUED: "It waits for a free slot at the provider; `reelqueue up` must be running.",
    State.SUBMITTING: "Its POST is on the way; without an answer it is looked for by poll.",
    State.RESOLVING: "Its POST had no clear answer. Polls look for it; if they stay empty it is "
    "sent again under the same taskUUID, so it is not bought twice.",
    State.PROCESSING: "The provider has it; its result comes by callback or by poll.",
}


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
    request = reading.requests_of(store, [(record.id, record.batch)])[0]
    failure = reading.failures(store, [record.id])[0]
    events = reading.history(store, record.id)
    if as_json:
        told_ = _object(record, request, failure, events)
        click.echo(json.dumps({**told_, "simulated": is_simulated(store)}))
        return
    for line in _story(record, request, failure, events):
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


def _story(
    record: Record, request: Request, failure: tuple[str, str], events: list[Event]
) -> list[str]:
    code, message = failure
    lines = [
        f"{cell(request.custom_id)}   {record.state}   {usd(record.cost)} USD   job {record.id}",
        f"  queued {_clock(record.queued_at)}  in batch {record.batch}",
        *(
            f"  attempt {a.number}  taskUUID {a.task_uuid}  sent {_clock(a.submitted_at)}  "
            f"{a.outcome or 'open'}  {usd(a.cost)} USD"
            for a in record.attempts
        ),
        *(_line(event) for event in events),
    ]
    if code:
        lines.append(f"  last error: {cell(code)}: {cell(message)}")
    if record.flags:
        lines.append(f"  flagged: {', '.join(sorted(record.flags))}")
    if record.state in WAITS:
        lines.append(WAITS[record.state])
    return lines


def _line(event: Event) -> str:
    again = f"  x{event.times}, last {_clock(event.last)}" if event.times > 1 else ""
    return f"  {_clock(event.first)}  {event.what:<15} {cell(event.detail)}{again}"


def _clock(ms: int | None) -> str:
    if ms is None:
        return "-"
    local = datetime.fromtimestamp(ms / 1000, UTC).astimezone()
    return local.isoformat(sep=" ", timespec="milliseconds")[:23]


def _object(
    record: Record, request: Request, failure: tuple[str, str], events: list[Event]
) -> dict[str, object]:
    return {
        "id": record.id,
        "custom_id": request.custom_id,
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
            for e in events
        ],
        "waits_for": WAITS.get(record.state),
    }
