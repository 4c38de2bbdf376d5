"""The routes of the API: batches in, results out. README.md has them in a table."""

import errno
import json
import re
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Any, cast

from flask import Blueprint, Response, current_app, g, request, url_for

from batches import story, view
from batches.journal import BATCH_NAME, NAME_RULE, NEW_NAME
from batches.results import table
from batches.table_json import json_line
from tasks import reading, verbs
from tasks.errors import Error
from tasks.reading import Batch
from webhooks.api_errors import Refused
from webhooks.api_intake import rules_of, secret_of, take
from webhooks.api_spool import received
from webhooks.build import Api

NDJSON = "application/x-ndjson"
MOST_LISTED, LISTED = 100, 20
"""Batches of one answer: at most, and where the request does not say."""

routes = Blueprint("api", __name__)


@routes.post("/v1/batches")
def submit() -> Response:
    """Check a manifest whole and queue its rows; the same again adds nothing."""
    _takes("name", many="passenger")
    desk, name = _desk(), request.args.get("name", "")
    if not NEW_NAME.fullmatch(name):
        raise Refused(400, "invalid_request", f"name the batch: ?name=, {NAME_RULE}")
    rules = rules_of(frozenset(request.args.getlist("passenger")))
    desk.gate.run(desk.store.probe)  # before anybody sends 100 MB for nothing
    secret = secret_of(desk)
    with received(desk.incoming) as file:
        taken = take(desk, file, name, secret, rules)
    g.told = {"batch": taken.batch.id, "added": taken.added, "known": taken.known}
    body = {**view.describe(taken.batch), "added": taken.added, "known": taken.known}
    answer = _json(body, 201 if taken.added else 200)
    answer.headers["Location"] = url_for("api.batch", ref=taken.batch.id)
    return answer


@routes.get("/v1/batches")
def batches() -> Response:
    """List batches, the newest first; `after` is the id that the page before ended with."""
    _takes("limit", "after")
    most, after = _limit(), request.args.get("after")
    if after is not None:
        after = _find(after).id
    store = _desk().store
    found = _desk().gate.run(partial(reading.latest, store, most + 1, after))
    page = [view.describe(batch) for batch in found[:most]]
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {}
    empty = {"first_id": None, "last_id": None}
    body = {"object": "list", "data": page, **empty, **ends, "has_more": len(found) > most}
    return _json(body)


@routes.get("/v1/batches/<ref>")
def batch(ref: str) -> Response:
    """Tell how a batch stands, by name or id."""
    _takes()
    return _json(view.describe(_find(ref)))


@routes.get("/v1/batches/<ref>/results")
def results(ref: str) -> Response:
    """Stream the table, a row per result, in manifest order, at any time."""
    _takes()
    desk, found = _desk(), _find(ref)
    simulated = desk.store.marks.is_simulated()
    rows = table(desk.store, found.id, simulated=simulated)
    # Read before anything is answered: a store that is away is still a 503. If it goes later, the
    # connection ends without its last chunk.
    first = next(rows, None)
    lines = _streamed(desk, found, map(json_line, chain([first] if first else [], rows)))
    whole = found.sealed and found.open == 0
    headers = {"X-Batch-Complete": str(whole).lower()}
    return Response(lines, headers=headers, mimetype=NDJSON)


@routes.post("/v1/batches/<ref>/cancel")
def cancel(ref: str) -> Response:
    """Give up what is open of a batch; workers do, and results that come yet are kept."""
    _takes()
    desk, found = _desk(), _find(ref)
    if found.open or not found.sealed:
        desk.gate.run(partial(verbs.cancel_batch, desk.store, found.id))
    g.told = {"batch": found.id}
    return _json(view.describe(_find(found.id)))


@routes.get("/v1/jobs/<job_id>")
def job(job_id: str) -> Response:
    """Tell one job's story, by its id or any taskUUID of it."""
    _takes()
    desk = _desk()

    def read() -> dict[str, Any] | None:
        known = reading.job_of(desk.store, job_id)
        record = reading.records(desk.store, [known])[0] if known else None
        if record is None:
            return None
        simulated = desk.store.marks.is_simulated()
        return {**story.describe(story.story_of(desk.store, record)), "simulated": simulated}

    found = desk.gate.run(read)
    if found is None:
        raise Refused(404, "not_found", "there is no such job")
    return _json(found)


def _desk() -> Api:
    return cast("Api", current_app.extensions["reelqueue"])


def _streamed(desk: Api, batch: Batch, lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines; where the rest cannot be read, leave without the last chunk and a traceback.

    Raises:
        BrokenPipeError: gunicorn takes it for the client's, and closes the connection.
    """
    try:
        yield from lines
    except Error as exc:
        desk.log.warning("results.broke_off", batch=batch.id, reason=str(exc))
        raise BrokenPipeError(errno.EPIPE, str(exc)) from None


def _takes(*once: str, many: str = "") -> None:
    """Refuse what a request asks for in vain: a limit that is misspelled would be none.

    Raises:
        Refused: a parameter is unknown, or stands twice.
    """
    for name, values in request.args.lists():
        if name not in {*once, many} or not name:
            known = ", ".join(filter(None, (*once, many))) or "none"
            raise Refused(400, "invalid_request", f"{name} is no parameter here: {known}")
        if name != many and len(values) > 1:
            raise Refused(400, "invalid_request", f"{name} stands twice")


def _find(ref: str) -> Batch:
    """Return the batch of a name or id.

    Raises:
        Refused: there is none.
        StoreAway: nobody knows.
    """
    desk, found = _desk(), None
    if BATCH_NAME.fullmatch(ref):
        found = desk.gate.run(partial(reading.batch_named, desk.store, ref))
    if found is None:
        raise Refused(404, "not_found", "there is no such batch")
    return found


def _limit() -> int:
    given = request.args.get("limit", str(LISTED))
    if not re.fullmatch(r"[1-9]\d?|100", given, re.ASCII):
        raise Refused(400, "invalid_request", f"limit is a number from 1 to {MOST_LISTED}")
    return int(given)


def _json(body: object, status: int = 200) -> Response:
    text = json.dumps(body, default=float) + "\n"  # the provider's own numbers are Decimals
    return Response(text, status, mimetype="application/json")
