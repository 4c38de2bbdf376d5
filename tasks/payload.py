"""What is sent: each task as bytes, a pure function of its stored record, so a resend is equal."""

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from tasks import reading_requests
from tasks.claims import SUSPECT, Claimed
from tasks.reading import Pruned
from tasks.reading_requests import Request
from tasks.store import Store
from tasks.token import Keyring
from tasks.verdict_submit import Told
from tasks.wire.request import TextInference, dumps

UNSENDABLE = (ArithmeticError, LookupError, TypeError, ValueError, zlib.error, Pruned)
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


def portions(
    store: Store,
    keyring: Keyring,
    jobs: Sequence[Claimed],
    without: frozenset[str],
    most_bytes: int,
) -> Iterator[tuple[list[Claimed], dict[str, bytes]]]:
    """Yield jobs, as many as one POST holds, and by job id the bytes of their tasks.

    The bytes are a pure function of the job's record. A job whose stored request cannot be sent has
    none; it takes no other with it. `without` are fields that the provider refuses.

    Raises:
        StoreAway: the store did not answer.
    """
    places = store.places() if any(job.place for job in jobs) else {}
    some, tasks, size = list[Claimed](), dict[str, bytes](), 0
    for job, request in _requests(store, jobs):
        task = request and _composed(request, job, keyring, places, without)
        if task and tasks and size + len(task) + 1 > most_bytes:
            yield some, tasks
            some, tasks, size = [], {}, 0
        some.append(job)
        if task:
            tasks[job.id] = task
            size += len(task) + 1
    if some:
        yield some, tasks


def _requests(store: Store, jobs: Sequence[Claimed]) -> Iterator[tuple[Claimed, Request | None]]:
    """Read what jobs ask for; from one on that cannot be read each is read alone."""
    done = 0
    with suppress(*UNSENDABLE):
        for request in reading_requests.each_request(store, [(job.id, job.batch) for job in jobs]):
            done += 1
            yield jobs[done - 1], request
    for job in jobs[done:]:
        found = None
        with suppress(*UNSENDABLE):
            (found,) = reading_requests.each_request(store, [(job.id, job.batch)])
        yield job, found


def _composed(
    request: Request,
    job: Claimed,
    keyring: Keyring,
    places: Mapping[str, str],
    without: frozenset[str],
) -> bytes | None:
    with suppress(*UNSENDABLE):
        return compose(request, job, keyring, places.get(job.place), without)
    return None


def lacks_files(store: Store, job: str) -> bool:
    """Whether a job that cannot be sent is one whose local files were never uploaded."""
    with suppress(*UNSENDABLE):
        return reading_requests.has_files(store, job)
    return False


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
