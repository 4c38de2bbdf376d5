"""The callback door: `POST /webhooks/runware`, one request per result.

Every non-2xx makes the provider try again, so a 2xx means durable here, and nothing else does.
Order: method, encoding, token (a MAC, no I/O), bounded body, one write, answer. README.md has the
table of answers.
"""

import time
from functools import partial
from http import HTTPStatus
from typing import NamedTuple, cast

from flask import Blueprint, Response, current_app, request
from gunicorn.http.errors import ParseException

from tasks.errors import StoreAway
from tasks.quarantine import UNFORESEEN
from tasks.steps import keep
from tasks.wire.callback import read
from webhooks.bare import Bare
from webhooks.build import Door

MOST_BYTES = 4 * 1024 * 1024
"""Largest body kept: a result of 128,000 tokens with its reasoning is below 2 MB. A body made to be
slow takes a second to read at this size."""

TOKEN = ("k", "j", "e", "t")
"""Query fields: key id, job, expiry, MAC (tasks/token.py)."""

ANSWERS = {
    "stored": 204,
    "known": 204,
    "orphan": 204,  # our token, a job the store has lost: kept in quarantine
    "unreadable": 204,  # the same bytes would come again; the job is polled instead
    "foreign": 401,  # another job's task under this job's token: nothing is kept
    "full": 503,  # nothing is kept
    "cut": 400,  # the sender stopped half-way, or its chunks are broken: nothing is kept
    "oversize": 413,  # nothing is kept; the job is polled instead
}
"""HTTP status by what was done with a body; the first six as `tasks.steps.keep` says them."""

COUNTED = {
    "stored": "accepted",
    "known": "duplicate",
    "orphan": "quarantined",
    "unreadable": "quarantined",
}
"""Outcomes as metrics have them, where they are not as in ANSWERS."""

LEVELS = {"stored": "debug", "known": "debug", "full": "error"}
"""Of the log line. What is as it should be stands in the job's history, and its end in the worker's
log; `full` asks for a person: what comes is no longer kept."""

routes = Blueprint("runware", __name__)


@routes.post("/webhooks/runware")
def deliver() -> Response:
    """Store one callback and join it; see ANSWERS."""
    desk = cast("Door", current_app.extensions["reelqueue"])
    if (request.headers.get("Content-Encoding") or "identity").lower() != "identity":
        return _answer(desk, "encoded", 415)
    job = _job_of_token(desk)
    if job is None:
        desk.log.warning("callback.unauthorised")
        return _answer(desk, "unauthenticated", 401)
    try:
        took = _take(desk, job)
    except StoreAway as exc:
        desk.log.warning("callback.store_away", job=job, reason=str(exc))
        return _answer(desk, "store_away", 503)
    tell = getattr(desk.log, LEVELS.get(took.told, "warning"))
    tell("callback", job=job, task=took.task, told=took.told, bytes=took.size)
    return _answer(desk, COUNTED.get(took.told, took.told), ANSWERS[took.told])


def _job_of_token(desk: Door) -> str | None:
    """Return the job whose valid token the URL carries; each field exactly once."""
    query = request.query_string.decode("latin-1")
    ours = desk.keyring.read(query)
    if ours is not None:
        return ours.job if desk.keyring.verify(*ours, now=time.time()) else None
    fields = [request.args.getlist(name) for name in TOKEN]
    if any(len(values) != 1 for values in fields):
        return None
    kid, job, expiry, mac = (values[0] for values in fields)
    return job if desk.keyring.verify(kid, job, expiry, mac, now=time.time()) else None


class Taken(NamedTuple):
    """What was done with a body."""

    told: str  # as ANSWERS has it
    size: int = 0
    task: str = ""  # taskUUID that it names, where it could be read


def _take(desk: Door, job: str) -> Taken:
    """Read the body and do with it what is right.

    Raises:
        StoreAway: nothing is known to be kept.
    """
    is_said_to_be_too_long = (request.content_length or 0) > MOST_BYTES
    body = b"" if is_said_to_be_too_long else _body()
    if body is None:
        return Taken("cut")
    if is_said_to_be_too_long or len(body) > MOST_BYTES:
        desk.gate.run(partial(desk.store.oversize, job))
        return Taken("oversize", len(body))
    return _keep(desk, job, body)


def _body() -> bytes | None:
    """Return the body, None where it did not come whole; of one too large at most a part.

    Without a declared length (chunked) werkzeug would cut silently at its own limit, so the
    server's stream is read directly.
    """
    declared = request.content_length
    try:
        stream = request.environ["wsgi.input"]
        body = cast("bytes", stream.read(MOST_BYTES + 1 if declared is None else declared))
    except (OSError, ParseException):  # the client went away; its chunks are no chunks
        return None
    return body if declared in {None, len(body)} else None


def _keep(desk: Door, job: str, body: bytes) -> Taken:
    """Join or quarantine a whole body: no reader's fault decides whether it is kept."""
    try:
        delivered = read(body)
        task = delivered[0].task_uuid if delivered else None
        told = desk.gate.run(partial(keep, desk.store, job, body, delivered))
        return Taken(told, len(body), task or "")
    except UNFORESEEN as exc:  # the same bytes would meet the same fault again
        error = type(exc).__name__
        desk.log.error("callback.unforeseen", job=job, error=error)  # noqa: TRY400  a traceback may quote it
    return Taken(desk.gate.run(partial(keep, desk.store, job, body, None)), len(body))


def _answer(desk: Door, outcome: str, status: int) -> Response:
    desk.tally.callback(outcome)
    is_later = status == HTTPStatus.SERVICE_UNAVAILABLE
    return Bare(status=status, headers={"Retry-After": "1"} if is_later else None)
