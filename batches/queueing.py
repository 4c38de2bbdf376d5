"""Recording the rows of a manifest as jobs.

A crash leaves an unsealed batch; the same call completes it.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from batches.journal import Journal
from batches.manifest import BadManifest
from batches.row import Row
from tasks import ids, reading
from tasks.lua import Argument
from tasks.money import reservation
from tasks.store import Store
from tasks.wire.request import DEFAULT_MAX_TOKENS, dumps

CHUNK = 100
"""Rows per script call: a script touches at most a hundred jobs."""

OWN = ("inputs", "seed")
"""Request fields that differ from row to row; the rest is stored once per batch."""


@dataclass(frozen=True)
class Plan:
    """What submitting a manifest would do."""

    new: int
    known: int
    batch_exists: bool


@dataclass(frozen=True)
class Queueing:
    """How rows become jobs of one batch."""

    store: Store
    journal: Journal
    secret: bytes  # that ids are derived from
    name: str

    def plan(self, rows: Iterable[Row]) -> Plan:
        """Compare a manifest with what is recorded; nothing is written.

        Raises:
            BadManifest: a custom_id is recorded with other content.
        """
        batch = reading.batch_named(self.store, self.name)
        if batch is None:
            return Plan(new=sum(1 for _ in rows), known=0, batch_exists=False)
        new, known, changed = 0, 0, []
        for chunk in _chunked(rows):
            jobs = [ids.job_id(self.secret, batch.id, row.custom_id) for row in chunk]
            for row, record in zip(chunk, reading.records(self.store, jobs), strict=True):
                new += record is None
                known += record is not None
                if record and record.digest != _digest(row):
                    changed.append(f"  line {row.line}: {row.custom_id}")
        if changed:
            raise BadManifest(
                f"batch {self.name} has these rows with other content; nothing was added. Give the "
                "changed rows a new custom_id, or the batch a new --name:\n"
                + "\n".join(changed[:20])
            )
        return Plan(new, known, batch_exists=True)

    def queue(self, rows: Iterable[Row], told: Callable[[int], None]) -> str:
        """Record the rows and seal the batch; `told` hears how many were handled each time.

        Returns:
            The batch's id.

        Raises:
            BadManifest: rows were recorded with other content since `plan`; the others are queued.
        """
        known = reading.batch_named(self.store, self.name)
        batch_id = self.journal.batch_id(self.name, known.id if known else None)
        batch_id = self.store.open_batch(self.name, batch_id, priority=1)
        differ: list[str] = []
        for chunk in _chunked(rows):
            differ += self._record(batch_id, chunk)
            told(len(chunk))
        self.store.seal(batch_id)
        if differ:
            raise BadManifest(
                f"batch {self.name} has these rows with other content, recorded by another "
                "submission meanwhile; they are left as they were:\n" + "\n".join(differ[:20])
            )
        return batch_id

    def _record(self, batch_id: str, chunk: Sequence[Row]) -> list[str]:
        """Record rows; returns those that are recorded with other content."""
        shared: dict[str, bytes] = {}
        records = [self._entry(batch_id, row, shared) for row in chunk]
        self.store.share(batch_id, shared)
        told = self.store.enqueue(batch_id, records)
        rows = zip(chunk, told, strict=True)
        return [f"  line {row.line}: {row.custom_id}" for row, word in rows if word == "differs"]

    def _entry(self, batch_id: str, row: Row, shared: dict[str, bytes]) -> Sequence[Argument]:
        common = {k: v for k, v in row.body.items() if k not in OWN}
        digest = ids.content_digest(common)
        if digest not in shared:
            shared[digest] = zlib.compress(dumps(common))
        own = {
            "custom_id": row.custom_id,
            "shared": digest,
            "body": {k: v for k, v in row.body.items() if k in OWN},
            "columns": dict(row.columns),
        }
        expected = row.body.get("numberResults", 1)
        most_tokens = row.body.get("settings", {}).get("maxTokens", DEFAULT_MAX_TOKENS)
        return (
            ids.job_id(self.secret, batch_id, row.custom_id),
            row.line,
            expected,
            _digest(row),
            reservation(most_tokens, expected),
            zlib.compress(dumps(own)),
        )


def _digest(row: Row) -> str:
    return ids.content_digest(row.body, row.columns)


def _chunked(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
