"""One look at a batch while it is worked on: counters, pace, causes, window, who waits longest.

Reads only, and the same amount however large the batch is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks import reading, reading_requests, reading_results
from tasks.claims import clock_ms, entered_at
from tasks.connection import store_errors
from tasks.job import OPEN, Record, State
from tasks.reading import Batch, Event
from tasks.settings import SIMULATED
from tasks.store import UNSETTLED, Store

SLICE = 10.0
"""Seconds of one entry in `pace` (prelude.lua, keep_pace)."""
TOP = 5
"""Causes of errors that are told one by one."""
HEADS = 16
"""Entries looked at from the front of each set that open jobs wait in,"""
SLOTS = 256
"""and in that of taken slots, which stand in the order in which they were taken."""


@dataclass(frozen=True)
class Cause:
    """Jobs that ended without all of their results, by the code of their last error."""

    code: str  # the provider's word, or `expired`, `partial`, `other`
    jobs: int
    message: str  # of one of them; empty where it told nothing


@dataclass(frozen=True)
class Pause:
    """Why nothing is claimed."""

    reason: str
    until: int | None  # ms: when it is tried again by itself; None: when the user says so
    by_user: bool
    everything: bool  # or only the batch


@dataclass(frozen=True)
class Look:
    """A batch and what it depends on at one moment. Times are Redis milliseconds."""

    now: int
    batch: Batch
    slices: Mapping[int, int]  # endings by the start of their ten seconds
    causes: Sequence[Cause]  # the most frequent first, at most TOP
    window: int
    slots: int  # taken
    pause: Pause | None
    works: bool  # a worker lives
    simulated: bool


@dataclass(frozen=True)
class Waiting:
    """An open job, and when something is next done about it by itself."""

    record: Record
    custom_id: str
    next_at: int | None  # ms
    last: Event | None  # move in its history


def look(store: Store, batch_id: str) -> Look | None:
    """Return how a batch stands now, None where it is gone.

    In two round trips; where jobs ended without all of their results, their causes take some more.

    Raises:
        StoreAway: it cannot be read.
    """
    keys, pipe = store.keys, store.client.pipeline(transaction=False)
    pipe.time()
    pipe.hmget(keys("meta"), "window", "held", "paused", "provider")
    pipe.zcard(keys("slots")).exists(keys("leader")).zmscore(keys("paused"), ["*", batch_id])
    pipe.xrange(keys("ends"), count=1)
    pipe.hgetall(keys("pace", batch_id)).hgetall(keys("causes", batch_id))
    with store_errors():
        time, meta, slots, leader, pauses, ends, slices, causes = pipe.execute()
    batch = reading.batch(store, batch_id)
    if batch is None:
        return None
    now = clock_ms(time)
    window, held, paused, provider = ((value or b"").decode() for value in meta)
    return Look(
        now=now,
        batch=batch,
        slices={round(int(s) * SLICE * 1000): int(count) for s, count in slices.items()},
        causes=_causes(store, causes),
        window=int(window or 0),
        slots=slots,
        pause=_pause(batch, held, paused, pauses) or _backlog(now, ends),
        works=bool(leader),
        simulated=provider == SIMULATED,
    )


def _pause(batch: Batch, held: str, paused: str, until: Sequence[float | None]) -> Pause | None:
    """What stops all comes before what stops the batch, the user's word before the provider's."""
    if held or batch.held:
        return Pause(held or batch.paused, None, by_user=True, everything=bool(held))
    of_all, of_batch = until
    if of_all is not None:
        return Pause(paused, int(of_all), by_user=False, everything=True)
    if of_batch is not None:
        return Pause(batch.paused, int(of_batch), by_user=False, everything=False)
    return None


def _backlog(now: int, ends: Sequence[Any]) -> Pause | None:
    age = (now - entered_at(ends[0][0])) / 1000 if ends else 0.0
    if age <= UNSETTLED:
        return None
    return Pause(
        f"the oldest ending is unsettled for {age:.0f} s", None, by_user=False, everything=True
    )


def _causes(store: Store, fields: Mapping[bytes, bytes]) -> list[Cause]:
    counts = {name[2:]: int(n) for name, n in fields.items() if name[:2] == b"n:"}
    top = sorted(counts, key=lambda code: (-counts[code], code))[:TOP]
    examples = [fields[b"j:" + code].decode() for code in top]
    told = reading_results.failures(store, examples)
    return [
        Cause(code.decode(), counts[code], message or _of_results(store, example))
        for code, example, (_, message) in zip(top, examples, told, strict=True)
    ]


def _of_results(store: Store, job: str) -> str:
    """Return what a partial job was told in place of a result."""
    (record,) = reading.records(store, [job])
    return reading_results.last_error(store, record)[1] if record else ""


def longest_waiting(store: Store, batch: Batch) -> Waiting | None:
    """Return the open job that was first sent longest ago; where none was sent, the next to be.

    Only the fronts of the sets are looked at, so beside a larger batch it may be another.
    """
    fronts = _fronts(store, batch)
    known = [record for record in reading.records(store, fronts) if record]
    ours = [record for record in known if record.batch == batch.id and record.state in OPEN]
    if not ours:
        return None
    first = min(ours, key=_since)
    (request,) = reading_requests.requests_of(store, [(first.id, batch.id)])
    with store_errors():
        pipe = store.client.pipeline(transaction=False)
        pipe.zscore(store.keys("due"), first.attempts[-1].task_uuid)
        times = pipe.zscore(store.keys("later"), first.id).execute()
    at = times[first.state is State.QUEUED]
    last = reading.last_move(reading.history(store, first.id))
    return Waiting(first, request.custom_id, None if at is None else int(at), last)


def _since(record: Record) -> tuple[bool, int, int]:
    sent = record.submitted_at
    return sent is None, sent or record.queued_at, record.row


def _fronts(store: Store, batch: Batch) -> list[str]:
    """Return the ids of jobs that may be the one."""
    keys, pipe = store.keys, store.client.pipeline(transaction=False)
    for name in ("due", "later", "leases"):
        pipe.zrange(keys(name), 0, HEADS - 1)
    pipe.lrange(keys("queue", batch.id), 0, 0)
    pipe.zrange(keys("slots"), 0, SLOTS - 1)
    with store_errors():
        *fronts, slots = pipe.execute()
    jobs = reading.jobs_of(store, [name.decode() for front in fronts for name in front])
    if batch.open > batch.states[State.QUEUED]:
        jobs += _first_of(store, batch, slots[:HEADS]) or _first_of(store, batch, slots[HEADS:])
    return list(dict.fromkeys(jobs))


def _first_of(store: Store, batch: Batch, tasks: Sequence[bytes]) -> list[str]:
    """Return the first job of these tasks that is open and of this batch, if any is."""
    jobs = reading.jobs_of(store, [task.decode() for task in tasks])
    pipe = store.client.pipeline(transaction=False)
    for job in jobs:
        pipe.hmget(store.keys("job", job), "b", "s")
    with store_errors():
        told = pipe.execute()
    ours = [
        job
        for job, (owner, state) in zip(jobs, told, strict=True)
        if owner == batch.id.encode() and state.decode() in OPEN
    ]
    return ours[:1]
