"""The jobs of a batch by custom_id."""

from collections.abc import Iterable, Iterator, Sequence

from tasks import reading, reading_requests
from tasks.ids import job_id
from tasks.reading import Batch
from tasks.store import Store
from tasks.verbs import PAGE


def jobs_named(
    store: Store, secret: bytes, batch: Batch, custom_ids: Iterable[str]
) -> dict[str, list[str]]:
    """Return the ids of the jobs of each custom_id, in order; none where the batch has no such row.

    The job ids of a manifest are derived from it. Those of a batch of Celery's calls are its
    messages': it is read through, and several calls may have the same custom_id.
    """
    derived = {name: job_id(secret, batch.id, name) for name in custom_ids}
    known = {job for page in paged(list(derived.values())) for job in reading.known(store, page)}
    found = {name: [job] if job in known else [] for name, job in derived.items()}
    if not all(found.values()) and _has_calls(store, batch):
        _look_through(store, batch, found)
    return found


def paged(jobs: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield job ids as many at a time as one look at the store should have."""
    for start in range(0, len(jobs), PAGE):
        yield jobs[start : start + PAGE]


def _has_calls(store: Store, batch: Batch) -> bool:
    first = next(reading.rows(store, batch.id, 1), [])
    return any(record and record.celery_id for record in reading.records(store, first))


def _look_through(store: Store, batch: Batch, found: dict[str, list[str]]) -> None:
    for page in reading.rows(store, batch.id, PAGE):
        requests = reading_requests.each_request(store, [(job, batch.id) for job in page])
        for job, request in zip(page, requests, strict=True):
            if request.custom_id in found:
                found[request.custom_id].append(job)
