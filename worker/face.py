"""`reelqueue.text_inference`: a job as a Celery task, for programs that know nothing but Celery.

The message is recorded as a job and acknowledged; no worker is held while the provider works. What
becomes of the job is told from the outbox (completion.py).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from celery import Task
from celery.exceptions import Ignore, Reject
from celery.worker.request import Request

from batches.entries import Common, entry
from batches.problems import BadRow
from batches.row import read_row
from batches.supply import Supplied
from tasks import ids
from tasks.callers import Call, record_call
from tasks.errors import StoreAway
from worker.app import app
from worker.build import crew
from worker.config import TEXT_INFERENCE
from worker.events import send
from worker.failures import BadCall

MOST_PARTS = 10_000
"""Parts of a chord: its body gets all results in one message. So many were seen to work."""
LOWEST = 9
"""The last of Celery's priorities on Redis, where 0 is the first and what no priority means."""
KEPT = (
    *("id", "group", "group_index", "chord", "callbacks", "errbacks", "chain"),
    *("root_id", "parent_id", "ignore_result"),
)
"""What is kept of a message: Celery reads it when the task is over (measured)."""


class QuietRequest(Request):
    """A message whose arguments nobody is shown: they may hold signed URLs, or whole media."""

    def info(self, safe: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002  Celery's signature
        """Return what remote control shows."""
        return {**super().info(safe), "args": [], "kwargs": {}}


@app.task(
    name=TEXT_INFERENCE,
    bind=True,
    typing=False,
    ignore_result=False,
    send_events=False,  # a job's row is made of its record
    acks_late=True,  # recorded first; the same message twice is one job
    throws=(BadCall,),
    Request="worker.face:QuietRequest",
)
def text_inference(self: Task, *args: object, **columns: object) -> None:
    """Queue one row of a manifest: its columns by name, or one object of them.

    The result, once there is one, is what completion.py's `result_of` returns.

    Raises:
        BadCall: the arguments are no such row.
    """
    try:
        _record(self.request, _row(args, columns))
    except StoreAway as exc:
        raise Reject(str(exc), requeue=True) from exc
    except BadCall as exc:
        _show_refused(self.request.id, exc)
        raise
    raise Ignore


def _row(args: tuple[object, ...], columns: Mapping[str, object]) -> dict[str, object]:
    match args:
        case ():
            return dict(columns)
        case (dict() as row,):  # what the task before in a chain returned stands first
            return {**row, **columns}
    raise BadCall("arguments: give the columns of one row by name, or one object of them")


def _record(request: Any, row: Mapping[str, object]) -> None:  # noqa: ANN401  Celery's context
    crew_ = crew()
    parts = (request.chord or {}).get("chord_size") or 0
    if parts > MOST_PARTS:
        raise BadCall(f"chord: has {parts} parts, of which at most {MOST_PARTS} are taken")
    one = Supplied(_checked({"custom_id": request.id, **row}))
    common, job = Common(), job_of(request.id)
    fields = entry(job, one, common)
    ((digest, shared),) = common.taken().items()
    call = Call(digest, shared, *_without_row(fields), celery_id=request.id)
    kept = {name: request.get(name) for name in KEPT if request.get(name) is not None}
    batch, priority = _batch(request.delivery_info or {})
    told = record_call(crew_.context.store, batch, priority, call, kept)
    if told == "differs":
        raise BadCall("task_id: a job of this id is recorded with other content")
    if told == "cancelling":
        raise BadCall(f"batch: {batch} is being cancelled; call again when that is over")
    crew_.context.log.info("call", job=job, batch=batch, told=told)


def _without_row(fields: Any) -> tuple[str, int, str, int, bytes]:  # noqa: ANN401
    return fields.job, fields.expected, fields.digest, fields.reservation, fields.input


def _checked(given: Mapping[str, object]) -> Any:  # noqa: ANN401
    try:
        return read_row(1, given)[0]
    except BadRow as exc:
        raise BadCall("; ".join(error.about for error in exc.errors)) from None


def job_of(celery_id: str) -> str:
    """Return the id of the job of a Celery task: the same, where the provider takes such an id."""
    if ids.is_task_uuid(celery_id):
        return celery_id
    return ids.job_id(crew().context.settings.id_secret(), "celery", celery_id)


def _batch(delivery: Mapping[str, Any]) -> tuple[str, int]:
    """Return the batch of today's calls of this priority, and how often it is served."""
    given = delivery.get("priority")
    priority = min(max(given, 0), LOWEST) if isinstance(given, int) else 0
    name = f"celery-{datetime.now(UTC):%Y-%m-%d}"
    return f"{name}-priority-{priority}" if priority else name, LOWEST + 1 - priority


def _show_refused(celery_id: str, exc: BadCall) -> None:
    """Give Flower a row for a call of which there is no job."""
    fields = {"uuid": celery_id, "name": TEXT_INFERENCE, "exception": f"BadCall: {str(exc)[:200]}"}
    send([("task-failed", {**fields, "args": "()", "kwargs": "{}", "traceback": ""})])
