"""Flower: one row per job, from its terminal event, which carries all that the row shows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tasks import reading
from tasks.job import Record, State
from tasks.money import usd
from tasks.moves import FACES
from tasks.settle import Ended
from tasks.wire.answer import Kind
from worker.app import app
from worker.build import crew
from worker.config import TEXT_INFERENCE

MEDIA = ("videos", "images", "audios", "documents")


def show_endings(jobs: Sequence[Ended]) -> None:
    """Publish one terminal event per job, a hundred to a message.

    Raises:
        kombu.exceptions.OperationalError: the store is away; the endings stay in the outbox.
    """
    names = _batch_names({job.record.batch for job in jobs})
    with (
        app.connection_for_write() as connection,
        app.events.Dispatcher(
            connection, hostname=crew().name, buffer_group={"task"}, buffer_limit=100
        ) as dispatcher,
    ):
        for job in jobs:
            dispatcher.send(FACES[job.record.state].flower, **fields(job, names[job.record.batch]))
        dispatcher.flush()


def _batch_names(ids: Iterable[str]) -> dict[str, str]:
    known = {id_: reading.batch(crew().context.store, id_) for id_ in ids}
    return {id_: batch.name if batch else id_ for id_, batch in known.items()}


def fields(job: Ended, batch: str) -> dict[str, Any]:
    """Return the fields of a job's terminal event; short, and no payload among them."""
    record = job.record
    started = record.submitted_at or record.queued_at
    ended = record.ended_at or started
    row: dict[str, Any] = {
        "uuid": record.id,
        "name": TEXT_INFERENCE,
        "args": f"('{job.request.custom_id[:80]}',)",
        "kwargs": repr(_described(job, batch)),
        "retries": record.attempt - 1,
        "sent": record.queued_at / 1000,
        "received": started / 1000,
        "started": started / 1000,
        "runtime": (ended - started) / 1000,
        "timestamp": ended / 1000,
        "result": repr(_told(record, job)),
    }
    if record.state in {State.FAILED, State.EXPIRED}:
        row["exception"] = f"{job.error[0]}: {job.error[1][:200]}"
        row["traceback"] = f"taskUUID {record.task_uuid}"
    return row


def _described(job: Ended, batch: str) -> Mapping[str, str]:
    inputs = {**(job.request.body.get("inputs") or {}), **job.request.files}
    kind = next((name for name in MEDIA if inputs.get(name)), None)
    if kind is None:
        return {"batch": batch}
    return {kind.removesuffix("s"): _name(inputs[kind][0]), "batch": batch}


def _name(medium: str) -> str:
    """Return the end of a path or URL, without a query, which may hold a signature."""
    if medium.startswith("http"):
        medium = medium.partition("?")[0]
    elif not medium.startswith("file:"):
        return ""
    return medium.removeprefix("file:").rsplit("/", 1)[-1][:60]


def _told(record: Record, job: Ended) -> Mapping[str, Any]:
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
