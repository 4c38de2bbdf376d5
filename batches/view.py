"""A batch as people and programs see it: OpenAI's words, our cost."""

from typing import Any

from batches.results import moment
from tasks.job import State
from tasks.money import usd
from tasks.reading import Batch

_RUNNING = (State.SUBMITTING, State.RESOLVING, State.PROCESSING)


def status(batch: Batch) -> str:
    """Return the batch's status; "completed" says that all has ended, not that all went well."""
    if not batch.sealed:
        return "validating"
    if batch.open == 0:
        return "completed"
    return "paused" if batch.paused else "in_progress"


def failed(batch: Batch) -> int:
    """Return how many jobs ended without all of their results."""
    return sum(batch.states[state] for state in (State.PARTIAL, State.FAILED, State.EXPIRED))


def describe(batch: Batch) -> dict[str, Any]:
    """Return the batch object (DESIGN §8)."""
    return {
        "id": batch.id,
        "object": "batch",
        "name": batch.name,
        "status": status(batch),
        "paused_reason": batch.paused or None,
        "request_counts": {
            "total": batch.total,
            "completed": batch.states[State.COMPLETED],
            "failed": failed(batch),
            "cancelled": batch.states[State.CANCELLED],
            "in_progress": sum(batch.states[state] for state in _RUNNING),
            "queued": batch.states[State.QUEUED],
        },
        "cost": usd(batch.cost),
        "created_at": moment(batch.created),
        "completed_at": moment(batch.done),
    }


def sentence(batch: Batch) -> str:
    """Return how a batch stands: `completed: 993 ok, 7 failed`."""
    ok, bad = batch.states[State.COMPLETED], failed(batch)
    parts = [f"{ok} ok"] + ([f"{bad} failed"] if bad else [])
    if batch.states[State.CANCELLED]:
        parts.append(f"{batch.states[State.CANCELLED]} cancelled")
    if batch.open:
        parts.append(f"{batch.open} open")
    return f"{status(batch)}: {', '.join(parts)}"
