"""What is sent: each task as bytes, a pure function of its stored record, so a resend is equal."""

from collections.abc import Sequence
from typing import Any

from tasks import reading
from tasks.claims import Claimed
from tasks.reading import Request
from tasks.store import Store
from tasks.token import Keyring
from tasks.wire.request import TextInference, dumps


def bodies(store: Store, keyring: Keyring, jobs: Sequence[Claimed]) -> list[bytes]:
    """Return each task as the bytes that are sent: a pure function of the stored record."""
    requests = reading.requests_of(store, [(job.id, job.batch) for job in jobs])
    places = store.places() if any(job.place for job in jobs) else {}
    return [
        compose(request, job, keyring, places.get(job.place))
        for request, job in zip(requests, jobs, strict=True)
    ]


def compose(request: Request, job: Claimed, keyring: Keyring, callback: str | None) -> bytes:
    """Return one task object for the wire; equal records give equal bytes."""
    fields: dict[str, Any] = {
        **request.body,
        "taskUUID": job.task_uuid,
        "deliveryMethod": "async",
        "includeCost": True,
        "includeUsage": True,
    }
    if callback:
        fields["webhookURL"] = f"{callback}?{keyring.query(job.kid, job.id, job.expiry)}"
    return dumps(TextInference(**fields).model_dump(exclude_none=True))


def chunks(
    jobs: Sequence[Claimed], tasks: dict[str, bytes], most_bytes: int
) -> list[list[Claimed]]:
    """Split jobs so that no POST is larger than `most_bytes`, unless one task alone is."""
    chunks: list[list[Claimed]] = []
    size = 0
    for job in jobs:
        size += len(tasks[job.id]) + 1
        if not chunks or size > most_bytes:
            chunks.append([])
            size = len(tasks[job.id])
        chunks[-1].append(job)
    return chunks
