"""What is sent: each task as bytes, a pure function of its stored record, so a resend is equal."""

import re
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from tasks import reading
from tasks.claims import Claimed
from tasks.reading import Request
from tasks.store import Store
from tasks.token import Keyring
from tasks.verdict import Told
from tasks.wire.request import TextInference, dumps

UNSENDABLE = (ArithmeticError, LookupError, TypeError, ValueError, zlib.error)
"""What a stored request that is damaged, or no request of the provider, raises when it is read."""


OPTIONAL = frozenset({"webhookURL", "includeCost", "includeUsage"})
"""Fields of ours that a task can do without where the provider refuses them: results are polled
for, or come without cost or usage. A refused task is not bought, so its bytes may change."""


def optional(said: Told) -> str:
    """Return which of OPTIONAL a refusal speaks of, empty where of none.

    Its `parameter` says so (`tasks[0].includeUsage` too), else its code (`invalidWebhookURL`), else
    its words: where we err, a task is sent once more in vain.
    """
    parts = re.split(r"\W+", said.parameter)
    for field in sorted(OPTIONAL):
        named = field in parts or said.code.lower().endswith(field.lower())
        if named or (not said.parameter and re.search(rf"\b{field}\b", said.message)):
            return field
    return ""


def bodies(
    store: Store, keyring: Keyring, jobs: Sequence[Claimed], without: frozenset[str]
) -> dict[str, bytes]:
    """Return each task, by job id, as the bytes that are sent: a pure function of its record.

    A job whose stored request cannot be sent is left out; it takes no other with it. `without` are
    fields that the provider refuses.

    Raises:
        StoreAway: the store did not answer.
    """
    places = store.places() if any(job.place for job in jobs) else {}
    try:
        return _bodies(store, keyring, jobs, places, without)
    except UNSENDABLE:
        found: dict[str, bytes] = {}
        for job in jobs:
            with suppress(*UNSENDABLE):
                found |= _bodies(store, keyring, [job], places, without)
        return found


def _bodies(
    store: Store,
    keyring: Keyring,
    jobs: Sequence[Claimed],
    places: Mapping[str, str],
    without: frozenset[str],
) -> dict[str, bytes]:
    requests = reading.requests_of(store, [(job.id, job.batch) for job in jobs])
    return {
        job.id: compose(request, job, keyring, places.get(job.place), without)
        for request, job in zip(requests, jobs, strict=True)
    }


def lacks_files(store: Store, job: str) -> bool:
    """Whether a job that cannot be sent is one whose local files were never uploaded."""
    with suppress(*UNSENDABLE):
        return reading.has_files(store, job)
    return False


SUSPECT = 2
"""Resends from which a task goes alone: one that no POST with it survives would sink the others."""


def compose(
    request: Request,
    job: Claimed,
    keyring: Keyring,
    callback: str | None,
    without: frozenset[str] = frozenset(),
) -> bytes:
    """Return one task object for the wire; equal records give equal bytes.

    Without any key to sign with (no callbacks are configured any more) it asks for no callback.
    """
    fields: dict[str, Any] = {
        **request.body,
        "taskUUID": job.task_uuid,
        "deliveryMethod": "async",
        "includeCost": True,
        "includeUsage": True,
    }
    if job.lacking:
        fields["numberResults"] = job.lacking
    if callback and keyring.keys:
        fields["webhookURL"] = f"{callback}?{keyring.query(job.kid, job.id, job.expiry)}"
    return dumps(TextInference(**fields).model_dump(exclude_none=True, exclude=set(without)))


def holds(task: bytes, field: str) -> bool:
    """Whether a task that was composed holds a field; within texts quotes are escaped."""
    return bool(field) and f'"{field}":'.encode() in task


def chunks(
    jobs: Sequence[Claimed], tasks: dict[str, bytes], most_bytes: int, most_tasks: int
) -> list[list[Claimed]]:
    """Split jobs so that no POST has more than `most_tasks` or, unless one alone has, `most_bytes`.

    A suspect goes alone.
    """
    chunks: list[list[Claimed]] = []
    size, alone = 0, False
    for job in jobs:
        size += len(tasks[job.id]) + 1
        was_alone, alone = alone, job.resends >= SUSPECT
        full = not chunks or size > most_bytes or len(chunks[-1]) == most_tasks
        if full or alone or was_alone:
            chunks.append([])
            size = len(tasks[job.id]) + 2  # the brackets; above, a comma
        chunks[-1].append(job)
    return chunks
