"""What a job's row in Flower shows; short, and no payload among it."""

import re
from collections.abc import Mapping
from typing import Any

from tasks.ids import ANY_UUID
from tasks.job import ENDED, Record, State
from tasks.money import usd
from tasks.settle import Story
from tasks.wire.answer import Kind
from worker.config import TEXT_INFERENCE

MEDIA = ("videos", "images", "audios", "documents")

_URL = re.compile(r"(https?://)(?:[^\s/?#]*@)?([^\s/?#]*)([^\s?#]*)([?#]\S*)?", re.IGNORECASE)
"""Scheme, host, path, and the rest, in which a signature or a token may stand."""


def job_row(job: Story, batch: str) -> dict[str, Any]:
    """Return the fields of the event that shows a job as it stands; `batch` is a name.

    A field that a job has not is None: a row keeps what no event says otherwise, and a job that is
    open again, or has become a success, would show the end of an attempt before.
    """
    record, started = job.record, job.record.submitted_at
    row: dict[str, Any] = {
        "uuid": record.id,
        "name": TEXT_INFERENCE,
        "args": repr((job.request.custom_id[:80],)),
        "kwargs": repr(_described(job, batch)),
        "retries": record.attempt - 1,
        "sent": record.queued_at / 1000,
        "received": (started or record.queued_at) / 1000,
        "started": started and started / 1000,
        **dict.fromkeys(("runtime", "result", "exception", "traceback")),
    }
    if record.state not in ENDED:
        wrong = _wrong(job) if record.state is State.QUEUED else None
        return row | {"timestamp": _moved_at(record) / 1000, "exception": wrong}
    ended = record.ended_at or started or record.queued_at
    row |= {
        "runtime": started and (ended - started) / 1000,
        "timestamp": ended / 1000,
        "result": repr(_told(record, job)),
    }
    if record.state in {State.FAILED, State.EXPIRED}:
        row |= {"exception": _wrong(job), "traceback": f"taskUUID {record.task_uuid}"}
    return row


def _wrong(job: Story) -> str | None:
    code, message = job.error
    return f"{code}: {_without_queries(message)[:200]}" if code else None


def _without_queries(text: str) -> str:
    """Return a provider's words without what URLs among them may hold of secrets."""

    def shown(url: re.Match[str]) -> str:
        scheme, host, path, rest = url.groups()
        return f"{scheme}{host}{path}{'?...' if rest else ''}"

    return _URL.sub(shown, text)


def _moved_at(record: Record) -> int:
    """Return when an open job came to where it stands, as far as its record tells."""
    return record.attempts[-1].submitted_at or waited_since(record)


def waited_since(record: Record) -> int:
    """Return when a job came to wait for its last attempt, as far as its record tells; in ms."""
    before = record.attempts[-2].ended_at if len(record.attempts) > 1 else None
    return before or record.queued_at


def _described(job: Story, batch: str) -> Mapping[str, str]:
    # In kwargs too: Flower's search finds their pairs exactly, however short, and cuts nothing off.
    named = {"custom_id": job.request.custom_id}
    inputs = {**(job.request.body.get("inputs") or {}), **job.request.files}
    kind = next((name for name in MEDIA if inputs.get(name)), None)
    if kind is None:
        return {**named, "batch": batch}
    more = sum(len(inputs.get(name) or ()) for name in MEDIA) - 1
    first = _name(inputs[kind][0]) + (f" +{more}" if more else "")
    return {**named, kind.removesuffix("s"): first, "batch": batch}


def _name(medium: str) -> str:
    """Return the last part of a path or URL, a media UUID, or the word base64."""
    if url := _URL.fullmatch(medium):
        _, host, path, _ = url.groups()
        return (path.rsplit("/", 1)[-1] or host)[:60]
    if medium.startswith("file:"):
        return medium.removeprefix("file:").rsplit("/", 1)[-1][:60]
    return medium if ANY_UUID.fullmatch(medium) else "base64"


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
