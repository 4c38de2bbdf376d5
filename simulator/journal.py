"""A file by which a simulator knows after a restart what was bought before, and what was told.

Each record begins with its newline, so that one which was cut when the process was killed, or the
disk full, ends where the next begins. A cut record is of a request that was never answered.
"""

import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

from simulator import body, request
from simulator.ledger import Ledger
from simulator.outcomes import Purchase, Terms
from simulator.records import Accepted, Kept
from simulator.request import Request
from simulator.settings import Settings

_HEAD = b'{"simulator_journal": 1}'
_log = logging.getLogger(__name__)

Key = tuple[str, int]
"""A taskUUID, and the number of its purchase."""


@dataclass(slots=True)
class _Known:
    """A purchase as the file tells of it; `told` are the results whose webhooks are over."""

    kept: Kept
    told: set[int] = field(default_factory=set)


class Journal:
    """The file; without a path nothing is kept."""

    def __init__(self, path: str | None) -> None:
        self._path = None if path is None else Path(path)
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None

    def recall(self, ledger: Ledger, settings: Settings) -> Iterator[Accepted]:
        """Have the ledger know again what the file tells, and open it for what is to come.

        Tasks that ended longer ago than the retention are dropped from the file.

        Yields:
            Purchases whose webhooks are not all over.

        Raises:
            OSError: The file cannot be read or written.
        """
        if self._path is None:
            return
        off_wall = time.monotonic() - time.time()
        for one in self._rewrite(self._path, settings.retention).values():
            raw = one.kept.task.encode()
            accepted_at = min(one.kept.accepted_at + off_wall, time.monotonic())
            terms = Terms(one.kept.code, one.kept.latency, one.kept.bill_failed)
            read = partial(_read, raw, settings)
            purchase = Purchase(one.kept.number, accepted_at, terms, read, one.told)
            accepted = ledger.recall(one.kept, raw, purchase)
            if len(one.told) < one.kept.callbacks:
                yield accepted

    def keep(self, bought: list[tuple[Accepted, bytes]]) -> None:
        """Keep what one request bought; on return the operating system has it."""
        if self._file is not None and bought:
            self._append(*(vars(_kept(accepted.purchase, raw)) for accepted, raw in bought))

    def note_told(self, purchase: Purchase, index: int) -> None:
        """Keep that the webhook of a result was acknowledged, or given up."""
        if self._file is not None:
            self._append({"told": [purchase.request.task_uuid, purchase.number, index]})

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            if self._file is not None:
                os.ftruncate(self._file.fileno(), len(_HEAD))

    def _append(self, *records: dict[str, Any]) -> None:
        lines = b"".join(b"\n" + json.dumps(record).encode() for record in records)
        with self._lock:
            try:
                whole = self._file is None or self._file.write(lines) == len(lines)
                problem = "" if whole else "it was written in part"
            except OSError as exc:
                problem = str(exc.strerror)
        if problem:
            _log.warning("%s: %s; a restart will not know all", self._path, problem)

    def _rewrite(self, path: Path, retention: float | None) -> dict[Key, _Known]:
        """Read the file, and write aside what is kept of it, which then takes its place."""
        aside = path.with_name(path.name + ".part")
        known: dict[Key, _Known] = {}
        oldest = 0.0 if retention is None else time.time() - retention
        with path.open("rb") as old, open(aside, "wb", opener=_private) as new:
            new.write(_HEAD)
            for line in map(bytes.strip, old):
                if _take(line, known, oldest):
                    new.write(b"\n" + line)
            new.flush()
            os.fsync(new.fileno())
        aside.replace(path)
        self._file = path.open("ab", buffering=0)
        return known


def check(path: str) -> None:
    """See that a file can be a journal; one that is not there is made.

    Raises:
        OSError: It cannot be read or written.
        ValueError: It is another kind of file, which would be written over.
    """
    with open(path, "ab+", opener=_private) as file:
        file.seek(0)
        if file.readline(len(_HEAD) + 1).rstrip(b"\n") not in {b"", _HEAD}:
            raise ValueError("it is no journal of a simulator")


def _private(path: str, flags: int) -> int:
    """Open for this user alone: URLs of webhooks may hold secrets."""
    return os.open(path, flags, 0o600)


def _take(line: bytes, known: dict[Key, _Known], oldest: float) -> bool:
    """Take up one record; returns whether it is to be kept."""
    try:
        record = json.loads(line)
        if "told" in record:
            task_uuid, number, index = record["told"]
            known[task_uuid, number].told.add(index)
            return True
        kept = Kept(**record)
        fresh = kept.accepted_at + kept.latency >= oldest
    except (ValueError, TypeError, KeyError):  # it was cut, or its task was dropped
        return False
    if fresh:
        known[kept.task_uuid, kept.number] = _Known(kept)
    return fresh


def _kept(purchase: Purchase, raw: bytes) -> Kept:
    asked, terms = purchase.request, purchase.terms
    return Kept(
        task=raw.decode(),
        task_uuid=asked.task_uuid,
        fingerprint=asked.fingerprint,
        delivery=asked.delivery,
        number=purchase.number,
        accepted_at=purchase.accepted_at + time.time() - time.monotonic(),
        code=terms.code,
        latency=terms.latency,
        bill_failed=terms.bill_failed,
        cost_nano=sum(result.cost_nano for result in purchase.results),
        callbacks=0 if asked.webhook_url is None else len(purchase.results),
    )


def _read(raw: bytes, settings: Settings) -> Request:
    (task,) = body.tasks(b"[" + raw + b"]")
    return request.read(task, settings)
