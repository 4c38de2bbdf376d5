"""What is sent: each task as bytes, a pure function of its stored record, so a resend is equal."""

import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from tasks import reading
from tasks.claims import Claimed
from tasks.reading import Request
from tasks.store import Store
from tasks.token import Keyring
from tasks.wire.request import TextInference, dumps

UNSENDABLE = (ArithmeticError, LookupError, TypeError, ValueError, zlib.error)
"""What a stored request that is damaged, or no request of the provider, raises when it is read."""


def bodies(store: Store, keyring: Keyring, jobs: Sequence[Claimed]) -> dict[str, bytes]:
    """Return each task, by job id, as the bytes that are sent: a pure function of its record.

    A job whose stored request cannot be sent is left out; it takes no other with it.

    Raises:
        StoreAway: the store did not answer.
    """
    places = store.places() if any(job.place for job in jobs) else {}
    try:
        return _bodies(store, keyring, jobs, places)
    except UNSENDABLE:
        found: dict[str, bytes] = {}
        for job in jobs:
            with suppress(*UNSENDABLE):
                found |= _bodies(store, keyring, [job], places)
        return found


def _bodies(
    store: Store, keyring: Keyring, jobs: Sequence[Claimed], places: Mapping[str, str]
) -> dict[str, bytes]:
    requests = reading.requests_of(store, [(job.id, job.batch) for job in jobs])
    return {
        job.id: compose(request, job, keyring, places.get(job.place))
        for request, job in zip(requests, jobs, strict=True)
    }


SUSPECT = 2
"""Resends from which a task goes alone: one that no POST with it survives would sink the others."""


def compose(request: Request, job: Claimed, keyring: Keyring, callback: str | None) -> bytes:
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
    if callback and keyring.keys:
        fields["webhookURL"] = f"{callback}?{keyring.query(job.kid, job.id, job.expiry)}"
    return dumps(TextInference(**fields).model_dump(exclude_none=True))


def chunks(
    jobs: Sequence[Claimed], tasks: dict[str, bytes], most_bytes: int
) -> list[list[Claimed]]:
    """Split jobs so that no POST is larger than `most_bytes`, unless one task alone is.

    A suspect goes alone.
    """
    chunks: list[list[Claimed]] = []
    size, alone = 0, False
    for job in jobs:
        size += len(tasks[job.id]) + 1
        was_alone, alone = alone, job.resends >= SUSPECT
        if not chunks or size > most_bytes or alone or was_alone:
            chunks.append([])
            size = len(tasks[job.id]) + 2  # the brackets; above, a comma
        chunks[-1].append(job)
    return chunks
