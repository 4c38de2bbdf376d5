"""`reelqueue.text_inference`: a job as a Celery task, for programs that know nothing but Celery.

The message is recorded as a job and acknowledged; no worker is held while the provider works. What
becomes of the job is told from the outbox (completion.py).
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from celery import Task
from celery.exceptions import Ignore, Reject
from celery.worker.request import Request
from structlog import get_logger

from batches.entries import Common, entry
from batches.problems import BadRow
from batches.row import LONGEST_ID, Rules, read_row
from batches.supply import Supplied
from tasks import ids
from tasks.callers import MOST, Call, record_call
from tasks.connection import store_errors
from tasks.errors import StoreAway
from worker.app import app
from worker.build import crew
from worker.calling import fail, published
from worker.config import CHORD_KEPT, TEXT_INFERENCE
from worker.events import send
from worker.failures import BadCall

MOST_PARTS = 10_000
"""Parts of a chord: its body gets all results in one message. So many were seen to work."""
RULES = Rules(naming=lambda _name: "", prompting="")
"""How a call's row is read: nothing but its name makes a column one that is carried along."""
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
    Request="worker.face:QuietRequest",
)
def text_inference(self: Task, *args: object, **columns: object) -> None:
    """Queue one row of a manifest: its columns by name, or one object of them.

    The result, once there is one, is what completion.py's `result_of` returns; where the arguments
    are no such row, it raises BadCall.
    """
    try:
        _take(self.request, args, columns)
    except StoreAway as exc:
        raise Reject(str(exc), requeue=True) from exc
    raise Ignore


def _take(request: Any, args: tuple[object, ...], columns: Mapping[str, object]) -> None:  # noqa: ANN401
    """Record a call as a job, or tell its caller why there is none."""
    try:
        told = _record(request, _row(args, columns))
    except BadCall as exc:
        _show_refused(request.id, exc, columns.get("custom_id"))
        _refuse(request, exc)
        return
    if told == "differs":  # no row of this call: there is that of the job
        _refuse(request, BadCall("task_id: a job of this id is recorded with other content"))


def _refuse(request: Any, exc: BadCall) -> None:  # noqa: ANN401  Celery's context
    get_logger().info("call.refused", task=request.id)
    with published():
        fail(request, exc)


def _row(args: tuple[object, ...], columns: Mapping[str, object]) -> dict[str, object]:
    match args:
        case ():
            return dict(columns)
        case (dict() as row,):  # what the task before in a chain returned stands first
            return {**row, **columns}
    raise BadCall("arguments: give the columns of one row by name, or one object of them")


def _record(request: Any, row: Mapping[str, object]) -> str:  # noqa: ANN401  Celery's context
    crew_ = crew()
    parts = _parts(request)
    if parts > MOST_PARTS:
        raise BadCall(f"chord: has {parts} parts or more, of which at most {MOST_PARTS} are taken")
    one = Supplied(_checked({"custom_id": request.id, **row}))
    common, job = Common(), job_of(request.id)
    fields = entry(job, one, common)
    ((digest, shared),) = common.taken().items()
    call = Call(digest, shared, *_without_row(fields), celery_id=request.id)
    kept = {name: request.get(name) for name in KEPT if request.get(name) is not None}
    batch, priority = _batch(request.delivery_info or {})
    told = record_call(crew_.context.store, batch, priority, call, kept)
    if told == "pruned":
        raise BadCall("task_id: a job of this id was pruned; call again with another for a new one")
    if told == "crowded":
        raise BadCall(f"task_id: {MOST} calls with links or chords wait for this job; call later")
    if told == "cancelling":
        raise BadCall(f"batch: {batch} is being cancelled; call again when that is over")
    crew_.context.log.info("call", job=job, batch=batch, told=told)
    return told


def _parts(request: Any) -> int:  # noqa: ANN401  Celery's context
    """Return how many parts the chord of a message is known to have.

    A part tells its own place. Celery stores the chord's size for a day once all parts are sent; we
    extend that.
    """
    if not (request.chord and request.group):
        return 0
    with store_errors():
        size = app.backend.get_key_for_group(request.group, ".s")
        told = app.backend.client.getex(size, ex=CHORD_KEPT) or b"0"
    place = request.group_index if isinstance(request.group_index, int) else 0
    return max(place + 1, int(told) if told.isdigit() else 0)


def _without_row(fields: Any) -> tuple[str, int, str, int, bytes]:  # noqa: ANN401
    return fields.job, fields.expected, fields.digest, fields.reservation, fields.input


def _checked(given: Mapping[str, object]) -> Any:  # noqa: ANN401
    try:
        row = read_row(1, given, RULES)[0]
    except BadRow as exc:
        told = "; ".join(error.about for error in exc.errors)
        raise BadCall(told, "; ".join(error.about_unquoted for error in exc.errors)) from None
    for name, value in row.columns.items():
        if not _is_json(value):
            raise BadCall(f"{name}: holds NaN or an infinity, which JSON has not; leave it out")
    return row


def _is_json(value: object) -> bool:
    """Whether what was read as JSON is JSON: Celery's clients write, and read, NaN."""
    if isinstance(value, dict):
        return all(map(_is_json, value.values()))
    if isinstance(value, list):
        return all(map(_is_json, value))
    return not isinstance(value, float) or isfinite(value)


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


def _show_refused(celery_id: str, exc: BadCall, given: object) -> None:
    """Give Flower a row for a call of which there is no job; of its arguments only the name."""
    is_name = isinstance(given, str) and given.isprintable() and len(given) <= LONGEST_ID
    custom_id, now = given if is_name else celery_id, time.time()
    row = {
        "uuid": celery_id,
        "name": TEXT_INFERENCE,
        "args": repr((custom_id,)),
        "kwargs": repr({"custom_id": custom_id}),
        **dict.fromkeys(("sent", "received", "started", "timestamp"), now),
        "runtime": 0.0,
        "exception": f"BadCall: {exc.shown[:200]}",
        "traceback": "",
    }
    with suppress(StoreAway):  # its caller is told all the same, or again
        send([("task-failed", row)])
