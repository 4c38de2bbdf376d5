"""Flower: one row per job, per batch and per door, from events that carry all that a row shows."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from tasks import moves, reading
from tasks.context import Context
from tasks.job import ENDED, State
from tasks.outbox import SHOWN, Entry
from tasks.settle import known, stories
from worker.app import app
from worker.batch_rows import BatchRows
from worker.build import crew
from worker.rows import job_row

MOST_PER_SECOND = 4000
"""Events that Flower takes: above it the store cuts it off, and loses what was sent (measured)."""

Row = tuple[str, Mapping[str, Any]]
"""Type and fields of an event."""

batch_rows = BatchRows()


def send(rows: Sequence[Row]) -> None:
    """Publish events, a hundred to a message, no faster than Flower takes them.

    Raises:
        kombu.exceptions.OperationalError: the store is away.
    """
    if not rows:
        return
    until = time.monotonic() + len(rows) / MOST_PER_SECOND
    with (
        app.connection_for_write() as connection,
        app.events.Dispatcher(
            connection, hostname=crew().name, buffer_group={"task"}, buffer_limit=100
        ) as dispatcher,
    ):
        for kind, fields in rows:
            dispatcher.send(kind, **fields)
        dispatcher.flush()
    time.sleep(max(0.0, until - time.monotonic()))


def show(context: Context, entries: Sequence[Entry]) -> None:
    """Show jobs as they stand, for moves that they have made.

    Where moves come faster than a thousand at a time, only jobs that have ended are shown.

    Raises:
        kombu.exceptions.OperationalError: the store is away; the moves stay in their stream.
    """
    store = context.store
    is_fast = len(entries) == SHOWN.most
    worth = [entry for entry in entries if entry.to in ENDED or not is_fast]
    again = {entry.job for entry in worth if entry.to is State.QUEUED}
    jobs = [job for job in known(store, worth) if job.state is not State.QUEUED or job.id in again]
    names = _batch_names(context, {job.batch for job in jobs})
    rows = [
        (moves.FACES[job.record.state].flower, job_row(job, names[job.record.batch]))
        for job in stories(store, jobs)
    ]
    send([*_gap(context, entries), *rows])


def show_batches(context: Context) -> None:
    """Show the batches that have changed since they were last shown."""
    send(batch_rows.changed(context.store))


def _batch_names(context: Context, ids: set[str]) -> dict[str, str]:
    found = {id_: reading.batch(context.store, id_) for id_ in ids}
    return {id_: batch.name if batch else id_ for id_, batch in found.items()}


def _gap(context: Context, entries: Sequence[Entry]) -> list[Row]:
    """Say so where moves are missing: more were made while Flower was away than are kept."""
    if context.store.unshown() < moves.UNSHOWN:
        return []
    first = int(entries[0].id.partition("-")[0]) / 1000
    since = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(first))
    context.log.warning("flower.gap", since=since)
    fields = {"uuid": f"gap-{since}", "name": "reelqueue.gap", "timestamp": first, "runtime": 0}
    said = f"('moves before {since} are not shown: reelqueue job tells of each',)"
    return [("task-succeeded", {**fields, "args": said, "kwargs": "{}", "result": "''"})]
