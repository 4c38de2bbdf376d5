"""Telling Celery's callers what became of their jobs: results, links, chains, chords.

All of it may happen twice where a worker dies in between, under the same ids.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from celery.app.task import Context as Message
from celery.exceptions import TaskRevokedError

from batches.results import job_rows
from batches.table_json import json_line
from tasks import callers
from tasks.context import Context
from tasks.job import ENDED, State
from tasks.money import usd
from tasks.outbox import Entry
from tasks.settle import Story, known, stories
from worker.app import app
from worker.calling import fail, follow, later_parts, published
from worker.failures import JobExpired, JobFailed

DONE = (State.COMPLETED, State.PARTIAL)
MADE_AN_OBJECT = {"__type__", "__value__"}
"""Keys of a JSON object that Celery's clients turn into another (kombu/utils/json.py)."""

AGAIN = {"max_retries": 4, "interval_start": 2.0, "interval_step": 2.0, "interval_max": 5.0}
"""How the body of a chord is published again while the store is away, for 16 s: one that cannot be
published has failed for good. Celery claims the body for 40 s then, after which another settler
may publish it: the more tries, the later that is where a worker died, and the fewer are left it."""


class ChordHeld(Exception):
    """Another settler took up the chord's body and has not published it: to be looked at again."""


def complete(context: Context, entries: Sequence[Entry]) -> None:
    """Tell the callers of jobs that have ended.

    Raises:
        StoreAway: the store is away; all of it happens again later.
        ChordHeld: a body is another's to publish; the same.
    """
    called = known(context.store, [entry for entry in entries if entry.is_called])
    ended = [job for job in called if job.celery_id and job.state in ENDED]
    kept = callers.kept(context.store, [job.id for job in ended])
    for job, blob in zip(stories(context.store, ended), kept, strict=True):
        if blob is not None:
            with published():
                _tell_all(context, job, blob)


def _tell_all(context: Context, job: Story, blob: bytes) -> None:
    """Tell each caller of a job, also one that comes meanwhile."""
    told, id_ = 0, job.record.id
    while True:
        messages = callers.messages(blob)
        for message in messages[told:]:
            _tell(context, job, message)
        if callers.answered(context.store, id_, blob):
            return
        (now,) = callers.kept(context.store, [id_])
        if now is None or not now.startswith(blob):  # removed, or told by another settler
            return
        told, blob = len(messages), now


def _tell(context: Context, job: Story, message: Mapping[str, Any]) -> None:
    is_first = callers.ANSWERED not in message
    request = _request(job, message)
    if job.record.state in DONE:
        _succeed(request, result_of(job, simulated=context.settings.simulated), is_first)
    else:
        _fail(request, job, is_first)
    if is_first:
        own = [request.group] if request.chord and request.group else []
        for chord in [*own, *(part.get("group_id") for part in later_parts(request))]:
            _check_chord(chord)


def result_of(job: Story, *, simulated: bool) -> dict[str, Any]:
    """Return what a job's AsyncResult gives: how it ended, and its rows of the results table."""
    rows = job_rows(job.record, job.request, job.error, job.results, simulated=simulated)
    return {
        "job_id": job.record.id,
        "custom_id": job.request.custom_id,
        "state": job.record.state.value,
        "cost": usd(job.record.cost),
        "results": [_harmless(json.loads(json_line(row))) for row in rows],
    }


def _harmless(value: Any) -> Any:  # noqa: ANN401  any JSON value
    """Return a value that Celery's clients read as it is; what they would alter as JSON text."""
    if isinstance(value, dict):
        plain = {name: _harmless(one) for name, one in value.items()}
        return json.dumps(value) if value.keys() == MADE_AN_OBJECT else plain
    return [_harmless(one) for one in value] if isinstance(value, list) else value


def _succeed(request: Message, result: Mapping[str, Any], is_first: bool) -> None:  # noqa: FBT001
    """Do what Celery does after a task that succeeded, in its order."""
    if is_first:
        follow(request, result)
    else:  # Celery never overwrites a success: here that of a part by that of the whole
        app.backend.client.delete(app.backend.get_key_for_task(request.id))
    app.backend.mark_as_done(request.id, result, request if is_first else None)


def _fail(request: Message, job: Story, is_first: bool) -> None:  # noqa: FBT001
    exc, state = _failure(job)
    if is_first:
        fail(request, exc, state)
    else:
        app.backend.mark_as_failure(request.id, exc, state=state)


def _failure(job: Story) -> tuple[Exception, str]:
    """Return what the result of a job that has none raises, and its Celery state."""
    state = job.record.state
    if state is State.CANCELLED:
        return TaskRevokedError("cancelled"), "REVOKED"
    kind = JobExpired if state is State.EXPIRED else JobFailed
    return kind(*job.error, job.record.task_uuid), "FAILURE"


def _request(job: Story, message: Mapping[str, Any]) -> Message:
    """Return the message as Celery's result backend reads it."""
    kept = {"delivery_info": {}, "errbacks": None, "chain": None, **message}
    if chord := kept.get("chord"):
        options = {**(chord.get("options") or {}), "retry": True, "retry_policy": AGAIN}
        kept["chord"] = {**chord, "options": options}
    return Message({"id": job.record.celery_id, **kept})


def _check_chord(chord: str | None) -> None:
    """See that a chord whose parts are all here has its body.

    Whoever returns the last part claims the body for a few seconds. Where that settler died, this
    one was told nothing, and the body would never run (read in Celery 5.7).
    """
    if not chord:
        return
    key = app.backend.get_key_for_group
    claim, size = app.backend.client.mget(key(chord, ".c"), key(chord, ".s"))
    if claim is None or claim == b"done" or size is None:
        return
    raise ChordHeld(f"the body of chord {chord} is being published by another")
