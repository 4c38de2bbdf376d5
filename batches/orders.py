"""What the user orders of a batch's jobs: which are meant, what it may cost, and that it is done.

Jobs are read and handled by pages, so that a batch of a million rows takes no memory.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from batches.names import jobs_named, paged
from batches.supply import lacks_upload
from tasks import payload, reading, reading_requests, reading_results, verbs
from tasks.errors import Error, category
from tasks.job import Record, State
from tasks.money import LONG_OUTPUT_NANO_PER_TOKEN, OUTPUT_NANO_PER_TOKEN
from tasks.reading import Batch
from tasks.store import Store
from tasks.wire.answer import Kind

PARKED = "parked"
"""Shown beside the states: resolving, and not looked for by itself any more."""
WITHOUT_FILES = "without their files"
"""The same: ended unsent for want of local files, which only their manifest can bring."""
RETRIABLE = frozenset({State.FAILED, State.PARTIAL, State.EXPIRED, State.CANCELLED, PARKED})
FAILED = frozenset({State.FAILED, State.EXPIRED})
LACKING = FAILED | {State.PARTIAL}
"""What an error is counted under: a partial job lacks some of its results, the others all."""
TOLD_MOST = 5
"""Names that one sentence lists."""


class NotKnown(Error):
    """Ids that name no job; nothing was done."""


class NotNow(Error):
    """The batch is in a state in which this cannot be done; nothing was."""


@dataclass(frozen=True)
class Seen:
    """One job, as far as a choice needs to know it."""

    record: Record
    code: str  # of its last error; empty without one
    lacking: int  # results that are not here
    lacks_files: bool = False

    @property
    def stands(self) -> str:
        """Its state, PARKED or WITHOUT_FILES."""
        if self.lacks_files:
            return WITHOUT_FILES
        parked = self.record.state is State.RESOLVING and PARKED in self.record.flags
        return PARKED if parked else self.record.state.value


@dataclass(frozen=True)
class Choice:
    """Which of some jobs are meant; empty sets of codes and classes leave nobody out."""

    stands: frozenset[str] = FAILED  # as `Seen.stands` has them
    codes: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()

    def takes(self, job: Seen) -> bool:
        """Whether a job is meant."""
        of_code = not self.codes or job.code in self.codes
        of_class = not self.classes or category(job.code).value in self.classes
        return job.stands in self.stands and of_code and of_class


@dataclass
class Plan:
    """What retrying would do."""

    causes: Counter[str] = field(default_factory=Counter)  # jobs by what became of them
    others: Counter[str] = field(default_factory=Counter)  # jobs not meant, by how they stand
    most: int = 0  # nano-dollars of output, where each attempt that is left is billed
    at_provider: int = 0  # jobs with an earlier task that the provider may still finish, and bill
    seeded: int = 0  # jobs that ask for the rest of their results under a fixed seed

    @property
    def jobs(self) -> int:
        """How many jobs are meant."""
        return self.causes.total()


def named(store: Store, secret: bytes, batch: Batch, custom_ids: Iterable[str]) -> list[str]:
    """Return the ids of the jobs of these rows, each once.

    Raises:
        NotKnown: the batch has no such rows; the text names some of them.
    """
    found = jobs_named(store, secret, batch, custom_ids)
    unknown = [name for name, jobs in found.items() if not jobs]
    if unknown:
        raise NotKnown(f"batch {batch.name} has no row {_some(unknown)}; nothing was done")
    return [job for jobs in found.values() for job in jobs]


def of_ids(store: Store, task_uuids: Iterable[str]) -> list[str]:
    """Return the ids of the jobs that these job ids or taskUUIDs belong to, each once.

    Raises:
        NotKnown: one belongs to none.
    """
    found = {uuid: reading.job_of(store, uuid) for uuid in dict.fromkeys(task_uuids)}
    unknown = [uuid for uuid, job in found.items() if job is None]
    if unknown:
        raise NotKnown(f"there is no job {_some(unknown)}; nothing was done")
    return list(dict.fromkeys(job for job in found.values() if job))


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:TOLD_MOST])
    return f"{shown} and {len(names) - TOLD_MOST} more" if len(names) > TOLD_MOST else shown


def pages(store: Store, batch: Batch | None, jobs: Sequence[str]) -> Iterator[list[Record]]:
    """Yield the records of `jobs`, or without any of the whole batch, by pages."""
    whole = batch is not None and not jobs
    for page in reading.rows(store, batch.id, verbs.PAGE) if batch and whole else paged(jobs):
        yield [record for record in reading.records(store, page) if record]


def plan(
    store: Store, records: Iterable[Sequence[Record]], choice: Choice, max_attempts: int
) -> Plan:
    """Return what retrying the chosen of these jobs would do; nothing is written.

    A retried job has the attempts that are left of `max_attempts`, and one where none is.
    """
    planned = Plan()
    for page in records:
        seen = _seen(store, page)
        chosen = [job for job in seen if choice.takes(job)]
        planned.others.update(job.stands for job in seen if not choice.takes(job))
        planned.causes.update(job.code or job.stands for job in chosen)
        planned.most += sum(
            _most_output(job) * max(1, max_attempts - job.record.attempt) for job in chosen
        )
        planned.at_provider += _at_provider(store, [job.record for job in chosen])
        planned.seeded += _seeded(store, [job.record for job in chosen])
    return planned


def _most_output(job: Seen) -> int:
    """Return the most that the output of one attempt can cost, in nano-dollars, rounded up.

    A job reserves the price of output behind a short prompt. Where its batch has a limit it may
    reserve more, and this is then more than the most.
    """
    most = job.record.reserved * LONG_OUTPUT_NANO_PER_TOKEN * job.lacking
    return -(-most // (OUTPUT_NANO_PER_TOKEN * job.record.expected))


def _seen(store: Store, page: Sequence[Record]) -> list[Seen]:
    """Look at jobs; what those with results lack, and the error of that, stand in the answer."""
    some = [job for job in page if job.winner or job.state is State.PARTIAL]
    unsent = {job.id for job in page if lacks_upload(job) and payload.lacks_files(store, job.id)}
    seen = {job.id: Seen(job, job.error_code, job.expected, job.id in unsent) for job in page}
    for job, items in zip(some, reading_results.answers(store, some), strict=True):
        here = sum(item.kind is Kind.SUCCESS for item in items)
        told = next((item.code for item in items if item.kind is Kind.ERROR), "")
        lacking = max(0, job.expected - here)
        seen[job.id] = Seen(job, job.error_code or told, lacking, job.id in unsent)
    return list(seen.values())


def at_provider(store: Store, batch: Batch) -> Iterator[int]:
    """Yield by pages how many of a batch's jobs the provider may still work on, and bill."""
    for page in pages(store, batch, []):
        yield _at_provider(store, page)


def _at_provider(store: Store, jobs: Sequence[Record]) -> int:
    tasks = [(job.id, a.task_uuid) for job in jobs for a in job.attempts if a.ended_at is None]
    held = verbs.at_provider(store, [uuid for _, uuid in tasks])
    return len({job for (job, _), holds in zip(tasks, held, strict=True) if holds})


def _seeded(store: Store, jobs: Sequence[Record]) -> int:
    some = [(job.id, job.batch) for job in jobs if job.state is State.PARTIAL]
    return sum("seed" in request.body for request in reading_requests.each_request(store, some))


def retry(
    store: Store,
    secret: bytes,
    records: Iterable[Sequence[Record]],
    choice: Choice,
    told: Callable[[int], None],
) -> Counter[str]:
    """Queue the chosen jobs again, a hundred at a time; returns what became of them.

    Args:
        store: Where they are.
        secret: That taskUUIDs are derived from.
        records: Pages of jobs.
        choice: Which of them are meant.
        told: Hears how many were handled each time.

    Returns:
        Jobs by 'moved', 'completed', 'cancelling' or 'stale' (`verbs.retry`).
    """
    became: Counter[str] = Counter()
    for page in records:
        chosen = [job for job in _seen(store, page) if choice.takes(job)]
        parked = [job.record for job in chosen if job.stands == PARKED]
        ended = [job.record for job in chosen if job.stands != PARKED]
        if parked:
            became.update(verbs.unpark(store, parked))
        if ended:
            became.update(verbs.retry(store, secret, ended))
        told(len(chosen))
    return became


def cancel(store: Store, records: Iterable[Sequence[Record]]) -> Counter[str]:
    """Give jobs up, a hundred at a time; returns jobs by 'sent', 'unsent' or 'ended'."""
    became: Counter[str] = Counter()
    for page in records:
        became.update(verbs.cancel(store, page))
    return became


def cancel_batch(store: Store, batch: Batch, told: Callable[[int], None]) -> Counter[str]:
    """Give up all jobs of a batch; whoever stops this half-way, the worker's sweep goes on.

    Returns:
        Jobs by 'sent' and 'unsent', those among them that another process gave up meanwhile.
    """
    verbs.cancel_batch(store, batch.id)
    while True:
        progress = verbs.cancel_pass(store, batch.id)
        if progress is None:
            raise NotKnown(f"batch {batch.name} is no longer in the store")
        told(progress.seen)
        if progress.over:
            return Counter(sent=progress.sent, unsent=progress.unsent)
