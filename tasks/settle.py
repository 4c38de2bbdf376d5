"""Settle: the repeatable effects after a job has ended, from the outbox, at least once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from tasks import reading
from tasks.errors import StoreAway
from tasks.job import Record
from tasks.money import OUTPUT_NANO_PER_TOKEN, input_cost
from tasks.outbox import Ending, Outbox
from tasks.reading import Request
from tasks.store import Store
from tasks.wire.answer import Item

MOST_TOKENS = 10**8
"""Tokens of one answer from which on a count is a broken number."""


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
        jobs = ended(store, endings)
        _learn_bounds(store, jobs)
        effect(jobs)
        outbox.settled(endings)


def _learn_bounds(store: Store, jobs: Sequence[Ended]) -> None:
    """Tell batches with a limit what an input may cost: half again as much as any has."""
    most: dict[str, int] = {}
    for job in jobs:
        cost = _cost_of_input(job) * 3 // 2
        most[job.record.batch] = max(cost, most.get(job.record.batch, 0))
    for batch, cost in most.items():
        if cost:
            store.learn_bound(batch, cost)


def _cost_of_input(job: Ended) -> int:
    """Return what a job cost beyond its output, or what its prompt costs by the price table."""
    usages = [item.raw.get("usage") for item in job.results]
    told = [usage for usage in usages if isinstance(usage, dict)]
    prompt = max((_tokens(usage, "promptTokens") for usage in told), default=0)
    output = sum(_tokens(usage, "completionTokens") for usage in told)
    return max(input_cost(prompt), job.record.cost - output * OUTPUT_NANO_PER_TOKEN)


def _tokens(usage: Mapping[str, object], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) and 0 < value < MOST_TOKENS else 0


def ended(store: Store, endings: Sequence[Ending]) -> list[Ended]:
    """Read the jobs of endings; one that was removed since has nothing left to settle."""
    jobs = list(dict.fromkeys(ending.job for ending in endings))
    known = [record for record in reading.records(store, jobs) if record]
    names = [record.id for record in known]
    columns = (
        known,
        reading.requests_of(store, [(record.id, record.batch) for record in known]),
        reading.failures(store, names),
        reading.answers(store, known),
    )
    return [Ended(*row) for row in zip(*columns, strict=True)]
