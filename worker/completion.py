"""Telling Celery's callers what became of their jobs: results, links, chains, chords.

All of it may happen twice where a worker dies in between, under the same ids.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from celery import group
from celery.app.task import Context as Message
from celery.exceptions import TaskRevokedError
from kombu.exceptions import OperationalError

from batches.results import job_rows
from batches.table_json import json_line
from tasks import callers
from tasks.context import Context
from tasks.errors import StoreAway
from tasks.job import ENDED, State
from tasks.lua import store_errors
from tasks.money import usd
from tasks.outbox import Entry
from tasks.settle import Story, known, stories
from worker.app import app
from worker.failures import JobExpired, JobFailed

DONE = (State.COMPLETED, State.PARTIAL)
MADE_AN_OBJECT = {"__type__", "__value__"}
"""Names of an object in JSON of which Celery's clients make another (kombu/utils/json.py)."""


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
    kept = callers.messages(context.store, [job.id for job in ended])
    for job, message in zip(stories(context.store, ended), kept, strict=True):
        if message is not None:
            with store_errors():
                _tell(context, job, message)


def _tell(context: Context, job: Story, message: Mapping[str, Any]) -> None:
    is_first = callers.ANSWERED not in message
    request = _request(job, message)
    try:
        if job.record.state in DONE:
            _succeed(request, result_of(job, simulated=context.settings.simulated), is_first)
        else:
            _fail(request, job, is_first)
    except OperationalError as exc:
        raise StoreAway(f"a message could not be published: {exc}") from exc
    if is_first:
        _check_chord(request)
        callers.answered(context.store, job.record.id)


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
    """Return a value that Celery's clients read as it is, and can read; JSON of it where not."""
    if isinstance(value, dict):
        plain = {name: _harmless(one) for name, one in value.items()}
        return json.dumps(value) if value.keys() == MADE_AN_OBJECT else plain
    return [_harmless(one) for one in value] if isinstance(value, list) else value


def _succeed(request: Message, result: Mapping[str, Any], is_first: bool) -> None:  # noqa: FBT001
    """Do what Celery does after a task that succeeded, in its order."""
    if is_first:
        _links(request, result)
    else:  # Celery never overwrites a success: here that of a part by that of the whole
        app.backend.client.delete(app.backend.get_key_for_task(request.id))
    app.backend.mark_as_done(request.id, result, request if is_first else None)


def _links(request: Message, result: Mapping[str, Any]) -> None:
    ids: dict[str, Any] = {"parent_id": request.id, "root_id": request.root_id or request.id}
    for number, given in enumerate(request.callbacks or ()):
        link = app.signature(given, app=app)
        if not isinstance(link, group) and "task_id" not in link.options:
            link.set(task_id=str(uuid5(NAMESPACE_OID, f"{request.id}/{number}")))
        link.apply_async((result,), **ids)
    if request.chain:
        following = app.signature(request.chain[-1], app=app)
        following.apply_async((result,), chain=request.chain[:-1], **ids)


def _fail(request: Message, job: Story, is_first: bool) -> None:  # noqa: FBT001
    state = job.record.state
    if state is State.CANCELLED:
        reason = TaskRevokedError("cancelled")
        app.backend.mark_as_failure(
            request.id, reason, request=request if is_first else None, state="REVOKED"
        )
        return
    kind = JobExpired if state is State.EXPIRED else JobFailed
    exc = kind(*job.error, job.record.task_uuid)
    app.backend.mark_as_failure(request.id, exc, request=request if is_first else None)


def _request(job: Story, message: Mapping[str, Any]) -> Message:
    """Return the message as Celery's result backend reads it."""
    return Message(
        {
            "id": job.record.celery_id,
            "delivery_info": {},
            "errbacks": None,
            "chain": None,
            **message,
        }
    )


def _check_chord(request: Message) -> None:
    """See that a chord whose parts are all here has its body.

    Whoever returns the last part claims the body for a few seconds. Where that settler died, this
    one was told nothing, and the body would never run (read in Celery 5.7).
    """
    if not request.chord or not request.group:
        return
    key = app.backend.get_key_for_group
    client = app.backend.client
    claim, size = client.mget(key(request.group, ".c"), key(request.group, ".s"))
    if claim is None or claim == b"done" or size is None:
        return
    raise ChordHeld(f"the body of chord {request.group} is being published by another")
