"""Reading the store: records, histories, batches. Writes nothing, as its neighbours.

reading_requests.py has what jobs ask for, reading_results.py what came of them.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tasks.connection import store_errors
from tasks.errors import Error
from tasks.ids import is_task_uuid
from tasks.job import Record, State, record
from tasks.moves import MOVES
from tasks.store import Store


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
    done: int | None  # when it was over; None also while it may take rows
    sealed: bool
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
    begun: int = 0  # of the cost, what open jobs of several results have cost so far

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
    """Return the id of the job that a taskUUID belongs to; of another text nobody is asked."""
    if not is_task_uuid(task_uuid):
        return None
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


def history(store: Store, job: str) -> list[Event]:
    """Return a job's history, oldest first."""
    with store_errors():
        lines = store.client.lrange(store.keys("history", job), 0, -1)
    return [_event(line.decode()) for line in lines]


def last_move(events: Sequence[Event]) -> Event | None:
    """Return the last line of a history that tells of a move: polls may stand behind it."""
    return next((event for event in reversed(events) if event.what in MOVES), None)


def _event(line: str) -> Event:
    first, last, times, what, detail = line.split("|", 4)
    return Event(int(first), int(last or first), int(times or 1), what, detail)


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


class Pruned(Error):
    """A batch is being removed: what is read of it would pass for the whole."""

    def __init__(self) -> None:
        super().__init__("the batch is being pruned: rows are missing; prune it again for the rest")


def rows(store: Store, batch_id: str, page: int = 500) -> Iterator[list[str]]:
    """Yield the job ids of a batch in the order in which they were recorded, by pages.

    Raises:
        Pruned: some are missing, or become so meanwhile; also after the last page.
    """
    start, key = 0, store.keys("rows", batch_id)
    with store_errors():
        total = int(store.client.hget(store.keys("batch", batch_id), "total") or 0)
    while True:
        pipe = store.client.pipeline(transaction=False)
        pipe.lrange(key, start, start + page - 1)
        pipe.llen(key)
        with store_errors():
            ids, length = pipe.execute()
        if length < total:
            raise Pruned
        total = length
        if not ids:
            return
        yield [id_.decode() for id_ in ids]
        start += page


def _batch(batch_id: str, fields: Mapping[str, str]) -> Batch:
    sealed, done = fields.get("sealed") == "1", fields.get("done")
    return Batch(
        id=batch_id,
        name=fields["name"],
        created=int(fields["created"]),
        done=int(done) if sealed and done else None,
        sealed=sealed,
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
        begun=int(fields.get("begun") or 0),
    )
