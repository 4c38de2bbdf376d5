"""A batch as people and programs see it: OpenAI's words, our cost."""

from collections.abc import Mapping
from typing import Any

from batches.advice import advice
from batches.budget import stopped
from batches.forecast import pace, projected, seconds_left
from batches.results import moment
from batches.waiting import stops, waits_for
from tasks.job import AT_PROVIDER, State
from tasks.money import usd
from tasks.progress import Look, Pause, Waiting
from tasks.reading import Batch

_ENDS = (State.PARTIAL, State.FAILED, State.EXPIRED, State.CANCELLED)
_OPEN = (State.QUEUED, *AT_PROVIDER)


def status(batch: Batch) -> str:
    """Return the batch's status; "completed" says that all has ended, not that all went well."""
    if batch.cancelling:
        return "cancelling"
    if not batch.sealed:
        return "validating"
    if batch.open == 0:
        return "cancelled" if batch.cancelled else "completed"
    return "paused" if batch.paused or batch.is_spent else "in_progress"


def failed(batch: Batch) -> int:
    """Return how many jobs ended without all of their results."""
    return sum(batch.states[state] for state in (State.PARTIAL, State.FAILED, State.EXPIRED))


def describe(batch: Batch) -> dict[str, Any]:
    """Return the batch object, under the names of OpenAI's.

    `failed` counts partial and expired jobs too, as "completed" would promise what is not there;
    `states` tells them apart.
    """
    return {
        "id": batch.id,
        "object": "batch",
        "name": batch.name,
        "status": status(batch),
        "paused_reason": batch.paused or (stopped(batch) if batch.is_spent else "") or None,
        "request_counts": {
            "total": batch.total,
            "completed": batch.states[State.COMPLETED],
            "failed": failed(batch),
            "cancelled": batch.states[State.CANCELLED],
            "in_progress": sum(batch.states[state] for state in AT_PROVIDER),
            "queued": batch.states[State.QUEUED],
        },
        "states": {str(state): batch.states[state] for state in State},
        "parked": batch.parked,
        "cost": usd(batch.cost),
        "max_cost": None if batch.limit is None else usd(batch.limit),
        "created_at": moment(batch.created),
        "completed_at": moment(batch.done),
    }


def describe_look(look: Look, waiting: Waiting | None) -> dict[str, Any]:
    """Return the batch object with all that `watch` shows beside it."""
    batch, left, total = look.batch, seconds_left(look), projected(look.batch)
    speed = pace(look.slices, look.now) if batch.open else None
    return {
        **describe(batch),
        "at": moment(look.now),
        "simulated": look.simulated,
        "worker": look.works,
        "pause": look.pause and _pause(look.pause),
        "jobs_per_minute": None if speed is None else round(speed * 60, 2),
        "seconds_left": None if left is None else round(left),
        "projected_cost": None if total is None else usd(total),
        "window": {"used": look.slots, "limit": look.window},
        "errors": [
            {
                "code": cause.code,
                "jobs": cause.jobs,
                "message": cause.message or None,
                "advice": advice(cause.code, batch.name),
            }
            for cause in look.causes
        ],
        "waits_longest": waiting and _waiting(waiting, stopped_in(look)),
    }


def _pause(pause: Pause) -> dict[str, Any]:
    return {
        "reason": pause.reason,
        "until": moment(pause.until),
        "by_user": pause.by_user,
        "everything": pause.everything,
    }


def stopped_in(look: Look) -> str:
    """Return what keeps the queued jobs of the batch that is looked at from being sent."""
    return stops(look.batch, look.pause.reason if look.pause else "")


def _waiting(waiting: Waiting, stopped: str) -> dict[str, Any]:
    record = waiting.record
    return {
        "custom_id": waiting.custom_id,
        "job_id": record.id,
        "state": record.state,
        "queued_at": moment(record.queued_at),
        "submitted_at": moment(record.submitted_at),
        "next_at": moment(waiting.next_at),
        "waits_for": waits_for(record, stopped, waiting.last),
    }


def sentence(batch: Batch) -> str:
    """Return how a batch stands: `completed: 990 ok, 3 partial, 7 failed`."""
    parts = [f"{batch.states[State.COMPLETED]:,} ok", *occurring(batch.states, _ENDS)]
    if batch.open:
        parts.append(f"{batch.open:,} open")
    if batch.parked:
        parts.append(f"{batch.parked:,} of them parked")
    return f"{status(batch)}: {', '.join(parts)}"


def counters(states: Mapping[Any, int]) -> str:
    """Return the states that occur, in the order of a job's life."""
    ok = states[State.COMPLETED]
    return ", ".join(
        [*occurring(states, _OPEN), *([f"{ok:,} ok"] if ok else []), *occurring(states, _ENDS)]
    )


def occurring(states: Mapping[Any, int], of: tuple[State, ...]) -> list[str]:
    """Return `3 failed` for each of these states that occurs."""
    return [f"{states[state]:,} {state}" for state in of if states[state]]


def half_recorded(batch: Batch) -> str:
    """Return what to do about a batch that lacks rows of its manifest; empty where it is whole."""
    if batch.sealed or batch.cancelling:
        return ""
    return "not all of its rows are recorded yet; the same submit again completes it"


def needs_word(parked: int, name: str) -> str:
    """Return what to do about parked jobs."""
    need, jobs = ("needs", "job") if parked == 1 else ("need", "jobs")
    return f"{parked:,} {jobs} {need} your word: reelqueue retry {name} --parked"
