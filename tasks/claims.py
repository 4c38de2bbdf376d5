"""What the store hands out and takes in: claims, due tasks, verdicts, and their stored forms."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.clock import passing
from tasks.job import Record, record
from tasks.lua import Argument
from tasks.packing import inflated, packed
from tasks.verdict_poll import least_failed
from tasks.wire.answer import Item, Kind, parse
from tasks.wire.answer import items as read_items
from tasks.wire.request import dumps

SLOT_MARGIN = 3600.0
"""Seconds beyond the deadline after which a slot is taken back from a task nobody heard of."""
LEASE = 45.0
"""Seconds a claim is good for: more than twice the provider's total deadline (provider.py)."""
SUSPECT = 2
"""Resends from which a task goes alone: one that no POST with it survives would sink the others. A
job that the user sends again after all counts from here, for none of its POSTs went well."""


@dataclass(frozen=True)
class Claimed:
    """One job taken for submission, with what its POST is frozen to."""

    id: str
    attempt: int
    place: str  # index of the callback URL; empty: none is asked for
    kid: str
    expiry: int  # seconds since the epoch
    task_uuid: str
    refusals: int  # times this attempt was refused for now, or put back
    batch: str
    resends: int = 0  # times it was sent again because nothing was clear
    lacking: int | None = None  # results to ask for where the job has the others
    silent_for: float | None = None  # it may have been sent before, and so is looked for first: the
    # seconds for which silence would have told that it was not

    @property
    def is_doubtful(self) -> bool:
        """Whether it may have been sent before."""
        return self.silent_for is not None


@dataclass(frozen=True)
class Claim:
    """Jobs under one fencing token."""

    token: str
    jobs: tuple[Claimed, ...]
    free: int  # slots left after it
    taken_at: float  # seconds of clock.py, before the claim was asked for
    doubted: int = 0  # until when the store had a history that it may have lost, in its ms

    @property
    def send_by(self) -> float:
        """Seconds of clock.py at half its lease: another may soon hold these jobs."""
        return self.taken_at + LEASE / 2

    @property
    def look_by(self) -> float:
        """Seconds of clock.py until which tasks may be looked for; the rest is for sending."""
        return self.taken_at + LEASE / 4

    @property
    def is_old(self) -> bool:
        """Whether nothing may be sent any more."""
        return passing() > self.send_by


@dataclass(frozen=True)
class Due:
    """One task taken for a poll."""

    task_uuid: str
    job: Record
    attempt: int
    sequence: int
    late: float = 0.0  # seconds since it was to be asked for


@dataclass(frozen=True)
class Verdict:
    """What a getResponse answer settles: stored as one compressed blob, known by digests."""

    items: Sequence[Item]
    successes: int
    cost: int | None  # nano-dollars; None where no item reported any
    final: bool

    def arguments(self) -> list[Argument]:
        """Return it as the scripts read it (prelude_results, answer_from)."""
        cost = "" if self.cost is None else str(self.cost)
        digests = sorted({item.digest for item in self.items})[:MOST_DIGESTS]
        codes = [item.code for item in self.items if item.kind is Kind.ERROR]
        failed, first = least_failed(self.items), codes[0][:64] if codes else ""
        told = (self.successes, failed, cost, int(self.final), first)
        return [pack(self.items), *told, *digests]


MOST_DIGESTS = 64
"""Most digests kept of an attempt, by which callbacks that come again are known; a task needs fewer
than twenty. The blob holds all results and errors."""

SMALL = 1000
"""Bytes below which an answer is stored as it is: compressing it saves a third of a kilobyte, but
switches threads twice, which takes longer than all else that a result needs."""


def pack(items: Iterable[Item]) -> bytes:
    """Return the stored form of the raw items of an answer: the one stored copy."""
    parts: dict[str, list[object]] = {"data": [], "errors": []}
    for item in items:
        parts["errors" if item.kind is Kind.ERROR else "data"].append(dict(item.raw))
    return packed(dumps(parts), 1, SMALL)  # a third of the time of 6, a tenth larger


def unpack(blob: bytes) -> list[Item]:
    """Read what `pack` stored."""
    return read_items(parse(inflated(blob), stored=True))


def failure(code: str, message: str) -> str:
    """Return the stored form of an error; the message is the provider's, bounded."""
    return json.dumps({"code": code[:64], "message": message[:2000]})


def claimed(fields: Sequence[Any]) -> Claimed:
    """Read one job of claim.lua's answer."""
    id_, attempt, place, kid, expiry, uuid, refusals, batch, resends, lacking, silent = fields
    return Claimed(
        id=id_.decode(),
        attempt=int(attempt),
        place=place.decode(),
        kid=kid.decode(),
        expiry=int(expiry),
        task_uuid=uuid.decode(),
        refusals=int(refusals),
        batch=batch.decode(),
        resends=int(resends),
        lacking=int(lacking) if lacking else None,
        silent_for=int(silent) / 1000 if silent != b"" else None,
    )


def due(sequence: int, told: Sequence[Any]) -> Due:
    """Read one task of claim_due.lua's answer."""
    uuid, job, attempt, late, flat = told
    text = [value.decode() for value in flat]
    fields = dict(zip(text[::2], text[1::2], strict=True))
    known = record(job.decode(), fields)
    return Due(uuid.decode(), known, int(attempt), sequence, int(late) / 1000)


def ms(seconds: float) -> int:
    """Return whole milliseconds, the unit of the store."""
    return round(seconds * 1000)


def clock_ms(time: Sequence[int]) -> int:
    """Return the store's answer to TIME in milliseconds."""
    seconds, micros = time
    return seconds * 1000 + micros // 1000


def entered_at(entry: bytes | str) -> int:
    """Return when the store took the entry of a stream with this id, in its milliseconds."""
    text = entry.decode() if isinstance(entry, bytes) else entry
    return int(text.partition("-")[0])
