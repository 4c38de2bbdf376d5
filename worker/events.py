"""Flower: one row per job, per batch and per door, from events that carry all that a row shows."""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tasks import lately, moves, reading
from tasks.claims import entered_at
from tasks.context import Context
from tasks.errors import StoreAway
from tasks.job import ENDED, Record, State
from tasks.outbox import SHOWN, Entry
from tasks.settle import known, stories
from worker.app import app
from worker.batch_rows import BatchRows
from worker.build import crew
from worker.calling import published
from worker.memory import MOST_ROWS
from worker.rows import job_row, waited_since

MOST_PER_SECOND = 1000
"""Events sent: they cost worker, store and Flower a quarter of a core, and the work has the rest.
At four times as many the store cuts Flower off and loses them (measured)."""

FAST = 1.0
"""Seconds in which a full portion of moves is too many for each to be shown."""

CROWD = MOST_ROWS // 2
"""Waiting moves beyond which a job that was cancelled before it was sent gets no row: those of a
cancelled backlog would push out all others, and its batch's row tells the same."""

Row = tuple[str, Mapping[str, Any]]
"""Type and fields of an event."""

batch_rows = BatchRows()


def send(rows: Sequence[Row]) -> None:
    """Publish events, a hundred to a message, no faster than Flower takes them.

    Raises:
        StoreAway: it is; some may have been sent.
    """
    if not rows:
        return
    until = time.monotonic() + len(rows) / MOST_PER_SECOND
    with (
        published(),
        app.connection_for_write() as connection,
        app.events.Dispatcher(
            connection,
            hostname=crew().name,
            buffer_group={"task"},
            buffer_limit=100,
            buffer_while_offline=False,  # what is not raised is taken for sent
        ) as dispatcher,
    ):
        for kind, fields in rows:
            dispatcher.send(kind, **fields)
        dispatcher.flush()
    time.sleep(max(0.0, until - time.monotonic()))


def show(context: Context, entries: Sequence[Entry]) -> None:
    """Show jobs as they stand, for moves that they have made.

    Where a thousand moves come within a second, only jobs that have ended are shown, and those that
    wait again: their rows may show an end. Where a crowd waits, none that was cancelled before it
    was sent.

    Raises:
        StoreAway: the moves stay in their stream.
    """
    store, waiting = context.store, context.store.unshown()
    is_fast = len(entries) >= SHOWN.most and _at(entries[-1]) - _at(entries[0]) < FAST
    worth = [e for e in entries if e.to in ENDED or e.to is State.QUEUED or not is_fast]
    again = {entry.job for entry in entries if entry.to is State.QUEUED}
    jobs = [job for job in known(store, worth) if job.state is not State.QUEUED or job.id in again]
    if waiting * len(entries) > CROWD * len({entry.id for entry in entries}):
        jobs = [job for job in jobs if job.submitted_at or job.state is not State.CANCELLED]
    send([*_gap(context, entries, waiting), *_rows(context, jobs, again)])
    lately.remember(store, [job.id for job in jobs])


def show_again(context: Context) -> None:
    """Show what Flower may not have kept: jobs at the provider, those shown lately, batches.

    Raises:
        StoreAway: it is begun anew later.
    """
    mark = lately.is_back(context.store)
    for jobs in lately.jobs(context.store):
        send(_rows(context, jobs, {job.id for job in jobs if job.attempt > 1}))
    batch_rows.forget()
    lately.told_again(context.store, mark)


def _rows(context: Context, jobs: Sequence[Record], again: Collection[str]) -> list[Row]:
    """Return the events of jobs; those of `again` have waited once more since they were shown.

    Without an event of that a row that shows an end would keep it until the next end.
    """
    names, rows = _batch_names(context, {job.batch for job in jobs}), list[Row]()
    for job in stories(context.store, jobs):
        kind, row = moves.FACES[job.record.state].flower, job_row(job, names[job.record.batch])
        if job.record.id in again and job.record.state is not State.QUEUED:
            waited = row | {"timestamp": waited_since(job.record) / 1000}
            rows.append((moves.FACES[State.QUEUED].flower, waited))
        rows.append((kind, row))
    return rows


def show_batches(context: Context) -> None:
    """Show the batches that have changed since they were last shown.

    Raises:
        StoreAway: all of them are shown later.
    """
    try:
        send(batch_rows.changed(context.store))
    except StoreAway:
        batch_rows.forget()
        raise


def _batch_names(context: Context, ids: set[str]) -> dict[str, str]:
    found = {id_: reading.batch(context.store, id_) for id_ in ids}
    return {id_: batch.name if batch else id_ for id_, batch in found.items()}


def _gap(context: Context, entries: Sequence[Entry], waiting: int) -> list[Row]:
    """Say so where moves are missing: more were made while Flower was away than are kept."""
    if waiting < moves.UNSHOWN:
        return []
    first = _at(entries[0])
    since = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(first))
    context.log.warning("flower.gap", since=since)
    fields = {"uuid": f"gap-{since}", "name": "reelqueue.gap", "timestamp": first, "runtime": 0}
    said = f"('moves before {since} are not shown: reelqueue job tells of each',)"
    return [("task-succeeded", {**fields, "args": said, "kwargs": "{}", "result": "''"})]


def _at(entry: Entry) -> float:
    """Return when the store took an entry, in seconds since the epoch."""
    return entered_at(entry.id) / 1000
