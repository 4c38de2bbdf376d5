"""One job's whole story: attempts, moves, callbacks and polls, with their times."""

from dataclasses import dataclass
from typing import Any

from batches.results import moment
from batches.waiting import stops, waits_for
from tasks import reading, reading_requests, reading_results
from tasks.job import Record, State
from tasks.money import usd
from tasks.reading import Event
from tasks.reading_requests import Request
from tasks.store import Store
from tasks.wire.answer import Item


@dataclass(frozen=True)
class Story:
    """What is known of one job."""

    record: Record
    request: Request
    failure: tuple[str, str]  # code and message
    events: list[Event]
    surplus: list[Item]  # results beyond those asked for
    stopped: str = ""  # why nothing of its batch is sent; empty: it is

    @property
    def waits_for(self) -> str | None:
        """What the job waits for, in a sentence; None where it has ended."""
        return waits_for(self.record, self.stopped, reading.last_move(self.events))


def story_of(store: Store, record: Record) -> Story:
    """Read what is known of a job.

    Raises:
        StoreAway: it cannot be read.
    """
    tried = range(1, record.attempt + 1)
    return Story(
        record,
        reading_requests.requests_of(store, [(record.id, record.batch)])[0],
        reading_results.last_error(store, record),
        reading.history(store, record.id),
        [item for n in tried for item in reading_results.surplus(store, record, n)],
        _stopped(store, record),
    )


def _stopped(store: Store, record: Record) -> str:
    if record.state is not State.QUEUED:
        return ""
    batch = reading.batch(store, record.batch)
    reason = store.paused().get("*") or (batch.paused if batch else "")
    return stops(batch, reason) if batch else ""


def describe(story: Story) -> dict[str, Any]:
    """Return the job object; the provider's own numbers in it are Decimals."""
    record, failure = story.record, story.failure
    return {
        "id": record.id,
        "custom_id": story.request.custom_id,
        "files": story.request.local_files,
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
                "expected": a.expected,
                "beside": a.beside and record.attempts[a.beside - 1].task_uuid,
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
