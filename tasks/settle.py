"""Settle: the repeatable effects after a job has ended, from the outbox, at least once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from tasks import reading
from tasks.errors import StoreAway
from tasks.job import Record
from tasks.outbox import Ending, Outbox
from tasks.reading import Request
from tasks.store import Store
from tasks.wire.answer import Item


@dataclass(frozen=True)
class Ended:
    """A job whose ending is being settled."""

    record: Record
    request: Request
    error: tuple[str, str]  # code and message; empty strings without one
    results: Sequence[Item]


Effect = Callable[[Sequence[Ended]], None]


def settle(outbox: Outbox, store: Store, effect: Effect, log: FilteringBoundLogger) -> int:
    """Apply `effect` to endings that are waiting; returns how many.

    An entry leaves the outbox only after the effect returned, so an effect may happen twice. What
    failed among others is tried alone when it is handed out again, so that it takes none with it.

    Raises:
        StoreAway: what was taken is handed out again later.
        Exception: what the effect of the last portion that failed raised; the same happens.
    """
    left, fresh = outbox.take()
    failed: Exception | None = None
    for portion in [*([ending] for ending in left), fresh]:
        try:
            _settle(outbox, store, effect, portion)
        except StoreAway:
            raise
        except Exception as exc:  # noqa: BLE001  an effect may raise anything; raised below
            failed = exc
    if failed:
        raise failed
    if left or fresh:
        log.info("settle", endings=len(left) + len(fresh))
    return len(left) + len(fresh)


def _settle(outbox: Outbox, store: Store, effect: Effect, endings: Sequence[Ending]) -> None:
    if endings:
        effect(ended(store, endings))
        outbox.settled(endings)


def ended(store: Store, endings: Sequence[Ending]) -> list[Ended]:
    """Read the jobs of endings; one that was removed since has nothing left to settle."""
    jobs = list(dict.fromkeys(ending.job for ending in endings))
    known = [record for record in reading.records(store, jobs) if record]
    names = [record.id for record in known]
    winners = [(record.id, record.winner or record.attempt) for record in known]
    columns = (
        known,
        reading.requests_of(store, [(record.id, record.batch) for record in known]),
        reading.failures(store, names),
        reading.results(store, winners),
    )
    return [Ended(*row) for row in zip(*columns, strict=True)]
