"""What a job's row in Flower shows; short, and no payload among it."""

from collections.abc import Mapping
from typing import Any

from tasks.job import ENDED, Record, State
from tasks.money import usd
from tasks.settle import Story
from tasks.wire.answer import Kind
from worker.config import TEXT_INFERENCE

MEDIA = ("videos", "images", "audios", "documents")


def job_row(job: Story, batch: str) -> dict[str, Any]:
    """Return the fields of the event that shows a job as it stands; `batch` is a name."""
    record = job.record
    started = record.submitted_at or record.queued_at
    row: dict[str, Any] = {
        "uuid": record.id,
        "name": TEXT_INFERENCE,
        "args": f"('{job.request.custom_id[:80]}',)",
        "kwargs": repr(_described(job, batch)),
        "retries": record.attempt - 1,
        "sent": record.queued_at / 1000,
        "received": started / 1000,
        "started": started / 1000,
    }
    if record.state not in ENDED:
        wrong = {"exception": _wrong(job)} if record.state is State.QUEUED else {}
        return row | {"timestamp": _moved_at(record) / 1000} | wrong
    ended = record.ended_at or started
    row |= {
        "runtime": (ended - started) / 1000,
        "timestamp": ended / 1000,
        "result": repr(_told(record, job)),
    }
    if record.state in {State.FAILED, State.EXPIRED}:
        row |= {"exception": _wrong(job), "traceback": f"taskUUID {record.task_uuid}"}
    return row


def _wrong(job: Story) -> str:
    code, message = job.error
    return f"{code}: {message[:200]}"


def _moved_at(record: Record) -> int:
    """Return when an open job came to where it stands, as far as its record tells."""
    last = record.attempts[-1]
    before = record.attempts[-2].ended_at if len(record.attempts) > 1 else None
    return last.submitted_at or before or record.queued_at


def _described(job: Story, batch: str) -> Mapping[str, str]:
    # In kwargs too: Flower's search finds their pairs exactly, however short, and cuts nothing off.
    named = {"custom_id": job.request.custom_id}
    inputs = {**(job.request.body.get("inputs") or {}), **job.request.files}
    kind = next((name for name in MEDIA if inputs.get(name)), None)
    if kind is None:
        return {**named, "batch": batch}
    return {**named, kind.removesuffix("s"): _name(inputs[kind][0]), "batch": batch}


def _name(medium: str) -> str:
    """Return the end of a path or URL, without a query, which may hold a signature."""
    if medium.startswith("http"):
        medium = medium.partition("?")[0]
    elif not medium.startswith("file:"):
        return ""
    return medium.removeprefix("file:").rsplit("/", 1)[-1][:60]


def _told(record: Record, job: Story) -> Mapping[str, Any]:
    """Return what the result column shows: the first 50 characters or so, cost before all."""
    told: dict[str, Any] = {"cost": usd(record.cost), "state": record.state.value}
    if record.state not in {State.COMPLETED, State.PARTIAL}:
        return told | {"error": job.error[0]}
    good = [item for item in job.results if item.kind is Kind.SUCCESS]
    reasons = {str(item.raw.get("finishReason")) for item in good}
    return told | {
        "results": len(good),
        "errors": len(job.results) - len(good),
        "finish": ",".join(sorted(reasons)),
    }
