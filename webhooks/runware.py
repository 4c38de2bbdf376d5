"""The callback door: `POST /webhooks/runware`, one request per result.

Every non-2xx makes the provider try again, so a 2xx means durable here, and nothing else does.
Order: method, encoding and length headers, token (a MAC, no I/O), bounded body, one write, answer.
"""

import time
from typing import cast

from flask import Blueprint, Response, current_app, request

from tasks.errors import StoreAway
from tasks.steps import receive
from webhooks.build import Desk

MOST_BYTES = 8 * 1024 * 1024
"""Largest body kept: a result of 128,000 tokens with its reasoning is below 2 MB."""

TOKEN = ("k", "j", "e", "t")
"""Query fields: key id, job, expiry, MAC (tasks/token.py)."""

ANSWERS = {
    "stored": 204,
    "known": 204,
    "orphan": 204,  # our token, a job the store has lost: kept in quarantine
    "unreadable": 204,  # the same bytes would come again; the job is polled instead
    "foreign": 401,  # another job's task under this job's token: nothing is kept
    "full": 503,
}
"""HTTP status by what `tasks.steps.receive` did."""

routes = Blueprint("runware", __name__)


@routes.post("/webhooks/runware")
def deliver() -> Response:
    """Store one callback and join it; see ANSWERS."""
    desk = cast("Desk", current_app.extensions["reelqueue"])
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        return _answer(415)
    job = _job_of_token(desk)
    if job is None:
        desk.log.warning("callback.unauthorised")
        return _answer(401)
    try:
        body = _body()
        if body is None:
            desk.store.oversize(job)
            return _answer(413)
        if request.content_length not in {None, len(body)}:
            return _answer(400)  # the sender stopped half-way: a cut body is never kept
        told = receive(desk.store, job, body)
    except StoreAway as exc:
        desk.log.warning("callback.store_away", job=job, reason=str(exc))
        return _answer(503)
    level = "info" if told in {"stored", "known"} else "warning"
    getattr(desk.log, level)("callback", job=job, told=told, bytes=len(body))
    return _answer(ANSWERS[told])


def _job_of_token(desk: Desk) -> str | None:
    """Return the job whose valid token the URL carries; each field exactly once."""
    fields = [request.args.getlist(name) for name in TOKEN]
    if any(len(values) != 1 for values in fields):
        return None
    kid, job, expiry, mac = (values[0] for values in fields)
    return job if desk.keyring.verify(kid, job, expiry, mac, now=time.time()) else None


def _body() -> bytes | None:
    """Return the whole body, None where it is too large; never a cut one.

    With a declared length nothing is read of a body that is too long. Without one (chunked)
    werkzeug would cut silently at its own limit, so the server's stream is read directly.
    """
    declared = request.content_length
    if declared is not None and declared > MOST_BYTES:
        return None
    stream = request.environ["wsgi.input"]
    body = cast("bytes", stream.read(MOST_BYTES + 1 if declared is None else declared))
    return body if len(body) <= MOST_BYTES else None


def _answer(status: int) -> Response:
    headers = {"Retry-After": "1"} if status == 503 else {}  # noqa: PLR2004  HTTP status
    if status == 413:  # noqa: PLR2004  the rest of the body is not read
        headers["Connection"] = "close"
    return Response(status=status, headers=headers)
