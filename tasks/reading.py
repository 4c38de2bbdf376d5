"""Reading the store: records, requests, histories, results. Writes nothing."""

import json
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tasks.claims import unpack
from tasks.job import Record, State, record
from tasks.lua import store_errors
from tasks.packing import inflated, loaded, unpacked
from tasks.store import Store
from tasks.wire.answer import Item, Kind


@dataclass(frozen=True)
class Request:
    """What a job asks for, and what the user's row carried beside it."""

    custom_id: str
    body: Mapping[str, Any]  # request fields of the provider, ours not yet among them
    columns: Mapping[str, Any]  # the user's columns, in their order
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Inputs as the manifest has them, by kind, where local files (`file:clips/7.mp4`) are among
    them; the body has the media that these were uploaded as."""

    @property
    def local_files(self) -> list[str]:
        """The paths of its local files, as the manifest's folder has them."""
        media = [one for given in self.files.values() for one in given]
        return [one.removeprefix("file:") for one in media if one.startswith("file:")]


@dataclass(frozen=True)
class Event:
    """One line of a job's history; the same thing repeated is one line."""

    first: int  # ms
    last: int  # ms
    times: int
    what: str
    detail: str


@dataclass(frozen=True)
class Batch:
    """A batch's flags and counters. Times are ms, money nano-dollars."""

    id: str
    name: str
    created: int
    done: int | None
    sealed: bool
    priority: int
    paused: str  # why nothing is claimed: the user's word, else the provider's; empty: it is
    cancelling: bool  # its jobs are being given up, a hundred at a time
    cancelled: bool  # all that were open have been, and none was retried since
    total: int
    open: int
    cost: int
    reserved: int
    parked: int  # jobs that are not sent again without the user's word
    held: bool  # paused by the user, not by the provider
    limit: int | None  # what it may cost
    next_cost: int | None  # the most that the job costs which the limit stopped
    states: Mapping[str, int]
    untold: int = 0  # set aside, under a limit, for results whose cost was not told

    @property
    def is_spent(self) -> bool:
        """Whether its limit stops all that is left of it: nothing of it is on its way."""
        here = self.states[State.QUEUED] + self.parked
        return self.next_cost is not None and self.sealed and self.open <= here


def _text(flat: Mapping[bytes, bytes]) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in flat.items()}


def records(store: Store, ids: Sequence[str]) -> list[Record | None]:
    """Return the records of jobs, None where there is none."""
    pipe = store.client.pipeline(transaction=False)
    for id_ in ids:
        pipe.hgetall(store.keys("job", id_))
    with store_errors():
        hashes = pipe.execute()
    return [record(i, _text(h)) if h else None for i, h in zip(ids, hashes, strict=True)]


def known(store: Store, ids: Sequence[str]) -> list[str]:
    """Return those of these jobs that have a record."""
    pipe = store.client.pipeline(transaction=False)
    for id_ in ids:
        pipe.exists(store.keys("job", id_))
    with store_errors():
        there = pipe.execute()
    return [id_ for id_, exists in zip(ids, there, strict=True) if exists]


def job_of(store: Store, task_uuid: str) -> str | None:
    """Return the id of the job that a taskUUID belongs to."""
    with store_errors():
        if store.client.exists(store.keys("job", task_uuid)):
            return task_uuid
        known = store.client.get(store.keys("task", task_uuid))
    return known.decode().partition(":")[0] if known else None


def jobs_of(store: Store, tasks: Sequence[str]) -> list[str]:
    """Return the ids of the jobs that taskUUIDs belong to; a first attempt's is the job's own."""
    with store_errors():
        found = store.client.mget([store.keys("task", uuid) for uuid in tasks]) if tasks else []
    return [
        at.decode().partition(":")[0] if at else uuid for uuid, at in zip(tasks, found, strict=True)
    ]


_Part = tuple[str, str]  # batch id, digest


def requests_of(store: Store, jobs: Sequence[tuple[str, str]]) -> list[Request]:
    """Return the requests of jobs, given as (job id, batch id), in order."""
    return list(each_request(store, jobs))


def each_request(store: Store, jobs: Sequence[tuple[str, str]]) -> Iterator[Request]:
    """Yield the requests of jobs as `requests_of` does, few in memory at once however large."""
    few, start = _Few(), 0
    while some := jobs[start : start + few.most]:
        start += len(some)
        with store_errors():
            blobs = store.client.mget([store.keys("input", id_) for id_, _ in some])
        few.had(blobs)
        held, size = list[tuple[_Part, Any]](), 0
        for (_, batch_id), blob in zip(some, blobs, strict=True):
            raw = inflated(blob)
            row, size = loaded(raw), size + len(raw)
            held.append(((batch_id, row["shared"]), row))
            if size >= MOST:
                yield from _requests(store, held)
                held, size = [], 0
        yield from _requests(store, held)


MOST = 8_000_000
"""Bytes of rows, or of request parts, that are held at once, unless one alone has more."""
FEW = 32
"""Rows that are read by one command where they are small; nobody knows before how large one is."""


class _Few:
    """How many values to read by one command: as many as fit, by the size of those before."""

    def __init__(self) -> None:
        self.most = FEW

    def had(self, blobs: Sequence[bytes | None]) -> None:
        """Hear what the last ones were."""
        mean = sum(len(blob or b"") for blob in blobs) // len(blobs)
        self.most = min(FEW, max(1, MOST // max(1, mean)))


def _requests(store: Store, rows: Sequence[tuple[_Part, Any]]) -> Iterator[Request]:
    """Put rows and the parts they share together."""
    unknown = [part for part, _ in rows if part not in store.shelf]
    parts, last, shared = _Parts(store, unknown), None, dict[str, Any]()
    for part, row in rows:
        if part != last:
            found = store.shelf.get(part)
            last, shared = part, _shelved(store, part, parts) if found is None else found
        body = {**shared, **row["body"]}
        yield Request(row["custom_id"], body, row["columns"], row.get("files", {}))


def _shelved(store: Store, part: _Part, parts: "_Parts") -> Any:  # noqa: ANN401  any JSON object
    """Return a part, which never changes; a small one is at hand from now on."""
    raw = inflated(parts.blob(part))
    shared = loaded(raw)
    if len(raw) <= SHELVED:
        while len(store.shelf) >= SHELF:
            store.shelf.pop(next(iter(store.shelf)), None)
        store.shelf[part] = shared
    return shared


SHELVED, SHELF = 16_000, 64
"""Most bytes of a request part that is kept in memory; most of such parts."""


class _Parts:
    """Request parts as they are stored, read about in the order in which they are needed."""

    def __init__(self, store: Store, parts: Iterable[_Part]) -> None:
        self._store, self._few = store, _Few()
        self._coming = deque(dict.fromkeys(parts))
        self._here: dict[_Part, Any] = {}

    def blob(self, part: _Part) -> Any:  # noqa: ANN401  bytes, or None where it is gone
        """Return a part; one that had to make room for others is read again."""
        if part not in self._here:
            self._read(part)
        return self._here[part]

    def _read(self, part: _Part) -> None:
        """Read a part and those that come next."""
        some = [part]
        while self._coming and len(some) < self._few.most:
            coming = self._coming.popleft()
            some += [coming] * (coming != part)
        pipe = self._store.client.pipeline(transaction=False)
        for batch_id, digest in some:
            pipe.hget(self._store.keys("shared", batch_id), digest)
        with store_errors():
            blobs = pipe.execute()
        self._few.had(blobs)
        if sum(len(blob or b"") for blob in self._here.values()) > MOST:
            self._here = {}
        self._here |= zip(some, blobs, strict=True)


def has_files(store: Store, job: str) -> bool:
    """Whether local files are among a job's media."""
    with store_errors():
        blob = store.client.get(store.keys("input", job))
    return blob is not None and bool(unpacked(blob).get("files"))


def history(store: Store, job: str) -> list[Event]:
    """Return a job's history, oldest first."""
    with store_errors():
        lines = store.client.lrange(store.keys("history", job), 0, -1)
    return [_event(line.decode()) for line in lines]


def _event(line: str) -> Event:
    first, last, times, what, detail = line.split("|", 4)
    return Event(int(first), int(last or first), int(times or 1), what, detail)


def failures(store: Store, jobs: Sequence[str]) -> list[tuple[str, str]]:
    """Return code and message of the last error of each job; empty strings without one."""
    with store_errors():
        blobs = store.client.mget([store.keys("failure", job) for job in jobs]) if jobs else []
    told = [json.loads(blob) if blob else {"code": "", "message": ""} for blob in blobs]
    return [(error["code"], error["message"]) for error in told]


def results(store: Store, jobs: Sequence[tuple[str, int]]) -> list[list[Item]]:
    """Return what is known of attempts, given as (job id, attempt): successes and errors.

    The authoritative answer, in the provider's order; where that is not all, then what only
    callbacks brought. An error that was told before results came in its place is none.
    """
    names = list(dict.fromkeys(job for job, _ in jobs))
    found = {one.id: one for one in records(store, names) if one}
    return _results(store, [(found[job], attempt) for job, attempt in jobs])


def _results(
    store: Store, jobs: Sequence[tuple[Record, int]], *, again: bool = True
) -> list[list[Item]]:
    wanted = [_places(job, attempt) for job, attempt in jobs]
    kept = _kept(store, [place for places in wanted for place in places])
    if again and any(place not in kept for places in wanted for place in places):
        # An answer has taken the place of what callbacks brought, since the records were read.
        fresh = {one.id: one for one in records(store, [job.id for job, _ in jobs]) if one}
        now = [(fresh.get(job.id, job), attempt) for job, attempt in jobs]
        return _results(store, now, again=False)
    return [
        _believed(
            [item for place in places if not place.digest for item in kept.get(place, ())],
            [item for place in places if place.digest for item in kept.get(place, ())],
            job.attempts[attempt - 1].expected,
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
    """Return what is kept at places; of one where nothing is, nothing."""
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
    of their errors none is left, for they were answered by that attempt.
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
    found = dict(zip(names, _results(store, wanted), strict=True))
    return [
        [item for n in kept for item in found[job.id, n] if item.kind is Kind.SUCCESS or n == last]
        + [
            item
            for item in found[job.id, last]
            if last not in kept and item.kind is not Kind.SUCCESS
        ]
        for job, kept, last in zip(jobs, numbers, tried, strict=True)
    ]


def _believed(told: list[Item], loose: list[Item], expected: int) -> list[Item]:
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


def batch(store: Store, batch_id: str) -> Batch | None:
    """Return a batch by its id."""
    with store_errors():
        fields = _text(store.client.hgetall(store.keys("batch", batch_id)))
    return _batch(batch_id, fields) if fields.get("name") else None


def batch_named(store: Store, name_or_id: str) -> Batch | None:
    """Return a batch by its name, else by its id."""
    with store_errors():
        known = store.client.hget(store.keys("names"), name_or_id)
    return batch(store, known.decode() if known else name_or_id)


def limited(store: Store, batch_ids: Collection[str]) -> set[str]:
    """Return those of these batches that may cost no more than a limit."""
    ids = sorted(batch_ids)
    pipe = store.client.pipeline(transaction=False)
    for batch_id in ids:
        pipe.hexists(store.keys("batch", batch_id), "cap")
    with store_errors():
        capped = pipe.execute()
    return {batch_id for batch_id, has_cap in zip(ids, capped, strict=True) if has_cap}


def batches(store: Store) -> list[Batch]:
    """Return all batches, oldest first."""
    with store_errors():
        ids = [name.decode() for name in store.client.zrange(store.keys("batches"), 0, -1)]
    return some_batches(store, ids)


def some_batches(store: Store, ids: Sequence[str]) -> list[Batch]:
    """Return these batches, without those that are gone, in one round trip."""
    with store_errors():
        pipe = store.client.pipeline(transaction=False)
        for batch_id in ids:
            pipe.hgetall(store.keys("batch", batch_id))
        hashes = pipe.execute()
    known = ((b, _text(fields)) for b, fields in zip(ids, hashes, strict=True))
    return [_batch(batch_id, fields) for batch_id, fields in known if fields.get("name")]


def latest(store: Store, most: int, after: str | None = None) -> list[Batch]:
    """Return up to `most` batches, newest first; those older than batch `after`, where given."""
    with store_errors():
        rank = store.client.zrevrank(store.keys("batches"), after) if after else None
        start = 0 if rank is None else rank + 1
        ids = store.client.zrevrange(store.keys("batches"), start, start + most - 1)
    return [found for found in (batch(store, id_.decode()) for id_ in ids) if found]


def rows(store: Store, batch_id: str, page: int = 500) -> Iterator[list[str]]:
    """Yield the job ids of a batch in the order in which they were recorded, by pages."""
    start = 0
    while True:
        with store_errors():
            ids = store.client.lrange(store.keys("rows", batch_id), start, start + page - 1)
        if not ids:
            return
        yield [id_.decode() for id_ in ids]
        start += page


def _batch(batch_id: str, fields: Mapping[str, str]) -> Batch:
    return Batch(
        id=batch_id,
        name=fields["name"],
        created=int(fields["created"]),
        done=int(fields["done"]) if fields.get("done") else None,
        sealed=fields.get("sealed") == "1",
        priority=int(fields.get("priority") or 1),
        paused=fields.get("held") or fields.get("paused", ""),
        cancelling="cancelling" in fields,
        cancelled="cancelled" in fields,
        total=int(fields.get("total") or 0),
        open=int(fields.get("open") or 0),
        cost=int(fields.get("cost") or 0),
        reserved=int(fields.get("reserved") or 0),
        parked=int(fields.get("parked") or 0),
        held="held" in fields,
        limit=int(fields["cap"]) if fields.get("cap") else None,
        next_cost=int(fields["broke"]) if fields.get("broke") else None,
        states={state: int(fields.get(f"n:{state}") or 0) for state in State},
        untold=int(fields.get("untold") or 0),
    )
