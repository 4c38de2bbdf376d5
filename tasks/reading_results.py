"""Reading what came of jobs: the results and errors of their attempts, and what failed them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from operator import sub
from types import MappingProxyType
from typing import NamedTuple

from tasks import reading
from tasks.claims import unpack
from tasks.connection import store_errors
from tasks.job import Record, State
from tasks.store import Store
from tasks.wire.answer import Item, Kind


def failures(store: Store, jobs: Sequence[str]) -> list[tuple[str, str]]:
    """Return code and message of the last error of each job; empty strings without one."""
    with store_errors():
        blobs = store.client.mget([store.keys("failure", job) for job in jobs]) if jobs else []
    told = [json.loads(blob) if blob else {"code": "", "message": ""} for blob in blobs]
    return [(error["code"], error["message"]) for error in told]


def last_error(store: Store, job: Record) -> tuple[str, str]:
    """Return code and message of a job's last error, which may stand beside its results."""
    (told,) = failures(store, [job.id])
    if told[0] or job.state is not State.PARTIAL:
        return told
    errors = (item for item in answers(store, [job])[0] if item.kind is Kind.ERROR)
    return next(((item.code, item.message) for item in errors), told)


def results(
    store: Store,
    jobs: Sequence[tuple[Record, int]],
    most: Mapping[tuple[str, int], int] = MappingProxyType({}),
    *,
    again: bool = True,
) -> list[list[Item]]:
    """Return what is known of attempts, given as (record, number): successes and errors.

    The authoritative answer, in the provider's order; where that is not all, then what only
    callbacks brought. An error that results have replaced since is left out. Of an
    attempt at `most` so many results, the first that came.
    """
    wanted = [_places(job, attempt) for job, attempt in jobs]
    kept = _kept(store, [place for places in wanted for place in places])
    if again and any(place not in kept for places in wanted for place in places):
        # An answer has taken the place of what callbacks brought, since the records were read.
        fresh = {one.id: one for one in reading.records(store, [job.id for job, _ in jobs]) if one}
        now = [(fresh.get(job.id, job), attempt) for job, attempt in jobs]
        return results(store, now, most, again=False)
    return [
        _believed(
            [item for place in places if not place.digest for item in kept.get(place, ())],
            [item for place in places if place.digest for item in kept.get(place, ())],
            job.attempts[attempt - 1].expected,
            most.get((job.id, attempt)),
        )
        for places, (job, attempt) in zip(wanted, jobs, strict=True)
    ]


class _Place(NamedTuple):
    """Where results are kept: an attempt's answer, or what a callback brought, by its digest."""

    job: str
    attempt: int
    digest: str


def _places(job: Record, number: int) -> list[_Place]:
    attempt = job.attempts[number - 1]
    answer = [""] if attempt.is_answered else []
    return [
        _Place(job.id, number, digest)
        for digest in (*answer, *attempt.delivered, *attempt.accusations)
    ]


def _kept(store: Store, places: Iterable[_Place]) -> dict[_Place, list[Item]]:
    """Return what is kept at these places; an empty place is left out."""
    asked = list(places)
    keys = [
        store.keys("result", one.job, one.attempt) + (one.digest and f":{one.digest}")
        for one in asked
    ]
    with store_errors():
        blobs = store.client.mget(keys) if keys else []
    return {place: unpack(blob) for place, blob in zip(asked, blobs, strict=True) if blob}


def answers(store: Store, jobs: Sequence[Record]) -> list[list[Item]]:
    """Return the results that are the jobs', and the errors told in place of the others.

    Where an attempt was for what a job lacked, the results of the attempts before it stand first;
    of their errors none is left, for they were answered by that attempt. A completed job has none:
    what another attempt for its rest met came to nothing.
    """
    numbers = [job.kept or (job.attempt,) for job in jobs]
    tried = [
        job.attempt if job.attempts[-1].beside == kept[-1] else kept[-1]
        for job, kept in zip(jobs, numbers, strict=True)
    ]
    wanted = [
        (job, number)
        for job, kept, last in zip(jobs, numbers, tried, strict=True)
        for number in dict.fromkeys((*kept, last))
    ]
    names = [(job.id, number) for job, number in wanted]
    found = dict(zip(names, results(store, wanted), strict=True))
    if most := _without_surplus(jobs, found):
        some = [(job, number) for job, number in wanted if (job.id, number) in most]
        found |= zip(most, results(store, some, most), strict=True)
    return [
        _shown(job, {number: found[job.id, number] for number in (*kept, last)}, last)
        for job, kept, last in zip(jobs, numbers, tried, strict=True)
    ]


def _shown(job: Record, told: Mapping[int, Sequence[Item]], last: int) -> list[Item]:
    """Return the results of the kept attempts, then the errors of the last one."""
    kept = job.kept or (job.attempt,)
    results = [item for number in kept for item in told[number] if item.kind is Kind.SUCCESS]
    if job.state is State.COMPLETED:
        return results
    return results + [item for item in told[last] if item.kind is not Kind.SUCCESS]


def _without_surplus(
    jobs: Sequence[Record], found: Mapping[tuple[str, int], Sequence[Item]]
) -> dict[tuple[str, int], int]:
    """Return how many results are believed of attempts to which more came later than the next one.

    That was for what they lacked, so what came of them after all may be more than is asked for.
    """
    most = {}
    for job in jobs:
        came = {number: successes(found[job.id, number]) for number in job.kept}
        over = sum(came.values()) - job.expected
        for number, following in pairwise(job.kept):
            wanted = (job.attempts[n - 1].expected for n in (number, following))
            late = came[number] - sub(*wanted)
            if (left_out := min(over, late)) > 0:
                most[job.id, number] = came[number] - left_out
                over -= left_out
    return most


def successes(items: Iterable[Item]) -> int:
    """Return how many of an attempt's items are results."""
    return sum(item.kind is Kind.SUCCESS for item in items)


def _believed(told: list[Item], loose: list[Item], expected: int, most: int | None) -> list[Item]:
    if most is not None:
        told, loose = told[:most], loose[: max(0, most - len(told))]
    loose.sort(key=lambda i: (str(i.raw.get("resultIndex")), str(i.raw.get("seed")), i.digest))
    for items in (told, told + loose):  # what the provider told itself, where that is all
        successes = [item for item in items if item.kind is Kind.SUCCESS]
        if len(successes) >= expected:
            return successes
    return told + loose


def surplus(store: Store, job: Record, attempt: int) -> list[Item]:
    """Return results beyond those asked for: kept, not believed, part of no table."""
    return _brought(store, job, attempt, job.attempts[attempt - 1].surplus)


def delivered(store: Store, job: Record, attempt: int) -> tuple[list[Item], list[Item]]:
    """Return what callbacks brought for an attempt and no poll has shown: successes, errors."""
    tried = job.attempts[attempt - 1]
    successes = _brought(store, job, attempt, tried.delivered)
    return successes, _brought(store, job, attempt, tried.accusations)


def _brought(store: Store, job: Record, attempt: int, digests: Sequence[str]) -> list[Item]:
    kept = _kept(store, [_Place(job.id, attempt, digest) for digest in digests])
    return [item for items in kept.values() for item in items]
