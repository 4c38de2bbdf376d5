"""Settle: the repeatable effects after a job has ended, from the outbox, at least once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from tasks import reading, reading_requests, reading_results
from tasks.job import Record
from tasks.money import OUTPUT_NANO_PER_TOKEN, input_cost
from tasks.outbox import Entry
from tasks.reading_requests import Few, Request
from tasks.store import Store
from tasks.wire.answer import Item

MOST_NAMED = 100
"""Jobs named in one line of the log: their ids are 3.7 kB."""

MOST_TOKENS = 10**8
"""Tokens of one answer from which on a count is a broken number."""


@dataclass(frozen=True)
class Story:
    """A job, and all that can be told of it."""

    record: Record
    request: Request
    error: tuple[str, str]  # code and message; empty strings without one
    results: Sequence[Item]


def settle(store: Store, log: FilteringBoundLogger, endings: Sequence[Entry]) -> None:
    """Apply the effects of endings, and log them."""
    _learn_bounds(store, endings)
    _log(log, endings)


def _log(log: FilteringBoundLogger, endings: Sequence[Entry]) -> None:
    """Tell which jobs ended, a hundred to a line: with one each, lines would cost what polls do."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for entry in endings:
        kinds.setdefault((entry.batch, entry.to.value), []).append(entry.job)
    for (batch, state), jobs in kinds.items():
        for start in range(0, len(jobs), MOST_NAMED):
            some = jobs[start : start + MOST_NAMED]
            log.info("ended", state=state, batch=batch, jobs=len(some), job=",".join(some))


def _learn_bounds(store: Store, endings: Sequence[Entry]) -> None:
    """Tell batches with a limit what an input may cost a result: half again as much as any has."""
    limited = reading.limited(store, {entry.batch for entry in endings})
    most: dict[str, int] = {}
    for job in stories(store, known(store, [e for e in endings if e.batch in limited])):
        cost = _cost_of_input(job) * 3 // 2
        most[job.record.batch] = max(cost, most.get(job.record.batch, 0))
    for batch, cost in most.items():
        if cost:
            store.learn_bound(batch, cost)


def _cost_of_input(job: Story) -> int:
    """Return what each result cost beyond its output, or its prompt by the price table."""
    usages = [item.raw.get("usage") for item in job.results]
    told = [usage for usage in usages if isinstance(usage, dict)]
    prompt = max((_tokens(usage, "promptTokens") for usage in told), default=0)
    output = sum(_tokens(usage, "completionTokens") for usage in told)
    beyond = job.record.cost - output * OUTPUT_NANO_PER_TOKEN
    return max(input_cost(prompt), -(-beyond // max(1, len(told))))


def _tokens(usage: Mapping[str, object], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) and 0 < value < MOST_TOKENS else 0


def known(store: Store, entries: Sequence[Entry]) -> list[Record]:
    """Read the records of entries' jobs; one that was removed since has nothing left to tell."""
    jobs = list(dict.fromkeys(entry.job for entry in entries))
    return [record for record in reading.records(store, jobs) if record]


def stories(store: Store, jobs: Sequence[Record]) -> Iterator[Story]:
    """Yield jobs with what else there is of them, few in memory at once however large."""
    columns = (
        jobs,
        reading_requests.each_request(store, [(record.id, record.batch) for record in jobs]),
        reading_results.failures(store, [record.id for record in jobs]),
        _answers(store, jobs),
    )
    for row in zip(*columns, strict=True):
        yield Story(*row)


def _answers(store: Store, jobs: Sequence[Record]) -> Iterator[Sequence[Item]]:
    """Yield the results of jobs as `answers` returns them."""
    few, start = Few(), 0
    while some := jobs[start : start + few.most]:
        start += len(some)
        found = reading_results.answers(store, some)
        few.had([sum(map(_size, items)) for items in found])
        yield from found


def _size(item: Item) -> int:
    return sum(len(value) for value in item.raw.values() if isinstance(value, str))
