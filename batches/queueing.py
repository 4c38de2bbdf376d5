"""Recording the rows of a manifest as jobs.

A crash leaves an unsealed batch; the same call completes it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, islice

from batches.budget import Budget
from batches.chunks import chunked
from batches.entries import Common, Fields, entry
from batches.journal import Journal
from batches.problems import BadManifest
from batches.recorder import Recorder
from batches.row import Row
from batches.supply import Supplied, looked_up, supplied
from batches.uploads import Uploads
from tasks import ids, pruning, reading, verbs
from tasks.claims import failure
from tasks.errors import UPLOAD_FAILED
from tasks.job import Record
from tasks.store import Store

MOST_TOLD = 20
"""Rows that a message names; more of them have one cause."""
_Entry = tuple[Supplied, Fields]


@dataclass(frozen=True)
class Plan:
    """What submitting a manifest would do."""

    new: int
    known: int
    batch_exists: bool
    again: int = 0  # of the known: jobs that ended for want of their files, to be retried
    pruned: int = 0  # rows, neither new nor known: they were bought before, and their jobs removed


@dataclass
class Queued:
    """What became of a manifest's rows."""

    batch_id: str
    added: int = 0
    withheld: int = 0  # of those added: recorded as failed, because a file could not be uploaded
    again: int = 0  # retried with fresh uploads
    still: int = 0  # rows whose jobs failed for want of files before, and lack them yet
    lacking: list[str] = field(default_factory=list)
    """The first of the rows that lack files: line, custom_id, why."""
    differ: list[str] = field(default_factory=list)
    """Rows that are recorded with other content, and were left as they are: line, custom_id."""

    def tell_lacking(self, rows: Iterable[Supplied]) -> None:
        """Keep what to tell of rows whose files could not be uploaded."""
        told = (f"{_line(one)}: {one.problem}" for one in rows if one.problem)
        self.lacking += islice(told, max(0, MOST_TOLD - len(self.lacking)))


@dataclass(frozen=True)
class Queueing:
    """How rows become jobs of one batch."""

    store: Store
    journal: Journal
    secret: bytes  # that ids are derived from
    name: str
    uploads: Uploads | None = None  # needed where rows have local files
    budget: Budget | None = None  # None: what it may cost stays as it is

    def plan(
        self, rows: Iterable[Row], count: int, heard: Callable[[], None] = lambda: None
    ) -> Plan:
        """Compare a manifest with what is recorded; nothing is written.

        Args:
            rows: Of the manifest.
            count: How many they are.
            heard: Called with each chunk, and several times a second while files are read; may
                raise.

        Raises:
            BadManifest: a custom_id is recorded with other content.
        """
        batch = reading.batch_named(self.store, self.name)
        if batch is None:
            self._check_unpruned(rows)
            return Plan(new=count, known=0, batch_exists=False)
        new, known, again, pruned, changed = 0, 0, 0, 0, list[str]()
        for chunk in chunked(rows):
            heard()
            looked = looked_up(chunk, self._records(batch.id, chunk), self.uploads, heard)
            unknown = [one.row for one in looked if one.record is None]
            gone = self._pruned(batch.id, unknown)
            new, pruned = new + len(unknown) - gone, pruned + gone
            known += len(looked) - len(unknown)
            again += sum(bool(one.row.files) and one.lacked for one in looked)
            changed += [_line(one) for one in looked if one.differs]
        if changed:
            raise BadManifest(
                f"batch {self.name} has these rows with other content; nothing was added. Give the "
                "changed rows a new custom_id, or the batch a new --name:\n"
                + "\n".join(changed[:MOST_TOLD])
            )
        return Plan(new, known, batch_exists=True, again=again, pruned=pruned)

    def _check_unpruned(self, rows: Iterable[Row]) -> None:
        """See that no row of a batch that is not there was bought before.

        Raises:
            BadManifest: some were, and pruned.
        """
        before = self.journal.known(self.name)
        if before is None:  # a new name: nothing has to be read
            return
        gone = sum(self._pruned(before, chunk) for chunk in chunked(rows))
        if gone:
            raise BadManifest(
                f"{gone} of its rows were bought in a batch {self.name} that has been pruned; "
                "their results are gone, and nothing was added. To buy them again give the batch "
                "another --name"
            )

    def _pruned(self, batch_id: str, rows: Sequence[Row]) -> int:
        """Return of how many rows the jobs were removed, and are remembered."""
        jobs = [ids.job_id(self.secret, batch_id, row.custom_id) for row in rows]
        return pruning.pruned(self.store, jobs)

    def _records(self, batch_id: str, rows: Sequence[Row]) -> list[Record | None]:
        jobs = [ids.job_id(self.secret, batch_id, row.custom_id) for row in rows]
        return reading.records(self.store, jobs) if jobs else []

    def queue(self, rows: Iterable[Row], told: Callable[[int], None]) -> Queued:
        """Record the rows, uploading their files, and seal the batch.

        Args:
            rows: Of a manifest.
            told: Hears how many were handled each time, and 0 several times a second while uploads
                are waited for; may raise. The same call completes the batch.

        Raises:
            BadManifest: rows were recorded with other content since `plan`; the others are queued.
            Error: no file can be uploaded now; what was recorded stays.
        """
        known = reading.batch_named(self.store, self.name)
        before = self.journal.known(self.name) is not None
        batch_id = self.journal.batch_id(self.name, known.id if known else None)
        batch_id = self.store.open_batch(self.name, batch_id, priority=1, known=before)
        if self.budget:
            self.store.budget(batch_id, self.budget.most, self.budget.bound)
        queued = Queued(batch_id)

        def records(some: Sequence[Row]) -> list[Record | None]:
            return self._records(batch_id, some)

        common = Common()
        with Recorder(told) as recorder:
            for chunk in supplied(rows, records, self.uploads, lambda: told(0)):
                entries = [(one, self._entry(batch_id, one, common)) for one in chunk]
                recorder.add(len(chunk), partial(self._record, queued, common.taken(), entries))
        self.store.seal(batch_id)
        if queued.differ:
            raise BadManifest(
                f"batch {self.name} has these rows with other content, recorded by another "
                "submission meanwhile; they are left as they were:\n"
                + "\n".join(queued.differ[:MOST_TOLD])
            )
        return queued

    def _record(
        self, queued: Queued, shared: Mapping[str, bytes], entries: Sequence[_Entry]
    ) -> None:
        """Record rows in their order."""
        self.store.share(queued.batch_id, shared)
        for is_withheld, run in groupby(
            ((one, fields) for one, fields in entries if one.record is None),
            key=lambda pair: bool(pair[0].problem),
        ):
            (self._withhold if is_withheld else self._enqueue)(queued, list(run))
        self._retry(queued, [(one, entry) for one, entry in entries if one.record])

    def _enqueue(self, queued: Queued, run: Sequence[_Entry]) -> None:
        told = self.store.enqueue(queued.batch_id, [entry for _, entry in run])
        queued.added += told.count("added")
        rows = zip(run, told, strict=True)
        queued.differ += [_line(one) for (one, _), word in rows if word == "differs"]

    def _withhold(self, queued: Queued, run: Sequence[_Entry]) -> None:
        told = self.store.withhold(
            queued.batch_id,
            [(*entry, failure(UPLOAD_FAILED, one.problem)) for one, entry in run],
        )
        queued.added += told.count("added")
        queued.withheld += told.count("added")
        queued.tell_lacking([one for one, _ in run])

    def _retry(self, queued: Queued, known: Sequence[_Entry]) -> None:
        """Retry those jobs that lacked files and have them now; the others stay as they are."""
        lacking = [(one, entry) for one, entry in known if one.lacked and not one.differs]
        queued.differ += [_line(one) for one, _ in known if one.differs]
        queued.still += sum(bool(one.problem) for one, _ in lacking)
        queued.tell_lacking([one for one, _ in lacking])
        again = [
            (one.record, entry.digest, entry.input)
            for one, entry in lacking
            if one.record and not one.problem
        ]
        if again:
            told = verbs.resupply(self.store, self.secret, again)
            queued.again += len(told) - told.count("stale") - told.count("cancelling")

    def _entry(self, batch_id: str, one: Supplied, common: Common) -> Fields:
        job = ids.job_id(self.secret, batch_id, one.row.custom_id)
        return entry(job, one, common, self.budget)


def _line(one: Supplied) -> str:
    return f"  line {one.row.line}: {one.row.custom_id}"
