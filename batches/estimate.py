"""What a manifest may cost, before anything is spent; each figure with where it is from."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from batches.row import Row
from tasks import reading
from tasks.claims import Claimed
from tasks.errors import ProviderAway
from tasks.job import State
from tasks.money import LONG_PROMPT, input_cost, reservation, total, usd
from tasks.payload import compose
from tasks.provider import Provider
from tasks.reading_requests import Request
from tasks.response import Answer
from tasks.store import Store
from tasks.token import Keyring
from tasks.wire.answer import Item, Kind
from tasks.wire.request import DEFAULT_MAX_TOKENS

_NO_KEYS = Keyring("estimate", {})


@dataclass
class Counted:
    """What a whole manifest asks for, and rows spread evenly over it."""

    rows: int = 0
    results: int = 0
    most_output: int = 0  # nano-dollars that all output costs at most
    files: int = 0  # rows with local files, of which nothing is asked
    sample: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Sampled:
    """What the provider said to some rows, asked for their cost alone."""

    results: int = 0
    cost: int = 0  # nano-dollars of these
    trouble: str = ""  # why there is no more of it
    bought: str = ""  # taskUUID of a task that the provider may have taken for work


@dataclass(frozen=True)
class Learned:
    """What completed jobs of this store cost."""

    jobs: int
    cost: int  # nano-dollars of them all


def counted(rows: Iterable[Row], known: int, sample: int, input_tokens: int | None) -> Counted:
    """Read a manifest once.

    Args:
        rows: Of a manifest that was checked.
        known: How many they are.
        sample: How many to pick, evenly; in the place of one with local files the next without.
        input_tokens: The most tokens of an input, where the user says so: above LONG_PROMPT output
            costs more, so that is its most where nobody says.
    """
    found, wanted = Counted(), 0
    count = min(sample, known)
    picked = {number * known // count for number in range(count)}
    long = input_tokens is None or input_tokens > LONG_PROMPT
    for number, row in enumerate(rows):
        results = row.body.get("numberResults", 1)
        most = row.body.get("settings", {}).get("maxTokens", DEFAULT_MAX_TOKENS)
        found.rows, found.results = found.rows + 1, found.results + results
        found.most_output += reservation(most, results, long=long)
        found.files += bool(row.files)
        wanted += number in picked
        if wanted and not row.files:
            found.sample.append(row)
            wanted -= 1
    return found


def sampled(provider: Provider, rows: Sequence[Row]) -> Sampled:
    """Ask what rows cost, none of them to be done: one first, the others only if that went well.

    The contract does not say what such an answer holds (§10), and a provider that passes over the
    header would do the work. An answer with a price and without a text is what was asked for.
    """
    told = _ask(provider, rows[:1])
    if not rows[1:] or told.trouble:
        return told
    rest = _ask(provider, rows[1:])
    return Sampled(told.results + rest.results, told.cost + rest.cost, rest.trouble, rest.bought)


def _ask(provider: Provider, rows: Sequence[Row]) -> Sampled:
    tasks = {str(uuid.uuid4()): row for row in rows}  # never those that the rows will have
    try:
        answer = provider.price([_composed(row, name) for name, row in tasks.items()])
    except ProviderAway as exc:
        return Sampled(trouble=str(exc), bought=next(iter(tasks)) if exc.sent else "")
    named = {item.task_uuid: item for item in answer.items}
    if trouble := _trouble(answer):
        return Sampled(trouble=trouble)
    if not all(name in named and _is_price(named[name]) for name in tasks):
        trouble = "the provider answered as if it had begun the work, so no more was asked"
        return Sampled(trouble=trouble, bought=next(iter(tasks)))
    results = sum(row.body.get("numberResults", 1) for row in rows)
    return Sampled(results, total(named[name].cost for name in tasks) or 0)


def _composed(row: Row, task_uuid: str) -> bytes:
    job = Claimed(task_uuid, 1, "", "", 0, task_uuid, 0, "")
    return compose(Request(row.custom_id, row.body, row.columns), job, _NO_KEYS, None)


def _trouble(answer: Answer) -> str:
    errors = [item for item in answer.items if item.kind is Kind.ERROR]
    if errors:
        return f"the provider refuses: {errors[0].code}: {errors[0].message}"
    return answer.problem


def _is_price(item: Item) -> bool:
    return item.cost is not None and not item.raw.get("text") and not item.raw.get("finishReason")


def learned(store: Store) -> Learned | None:
    """Return what batches that have ended cost; None where none of their jobs was completed."""
    ended = [batch for batch in reading.batches(store) if batch.open == 0]
    jobs = sum(batch.states[State.COMPLETED] for batch in ended)
    return Learned(jobs, sum(batch.cost for batch in ended)) if jobs else None


@dataclass(frozen=True)
class Estimate:
    """All figures; money in nano-dollars, None where a source says nothing."""

    counted: Counted
    sampled: Sampled
    learned: Learned | None
    input_tokens: int | None

    @property
    def by_provider(self) -> int | None:
        """The sample's cost, scaled to all results."""
        if not self.sampled.results:
            return None
        return self.sampled.cost * self.counted.results // self.sampled.results

    @property
    def by_experience(self) -> int | None:
        """What as many jobs cost here before."""
        if self.learned is None:
            return None
        return self.learned.cost * self.counted.rows // self.learned.jobs

    @property
    def most_input(self) -> int | None:
        """What all inputs cost at most; None where no bound was given."""
        if self.input_tokens is None:
            return None
        return input_cost(self.input_tokens) * self.counted.results

    def described(self, *, simulated: bool | None) -> dict[str, Any]:
        """Return it as one object; money in dollars, as text."""

        def dollars(nano: int | None) -> str | None:
            return None if nano is None else usd(nano)

        return {
            "rows": self.counted.rows,
            "results": self.counted.results,
            "dry_run": {
                "cost": dollars(self.by_provider),
                "results_asked": self.sampled.results,
                "trouble": self.sampled.trouble or None,
                "possibly_bought": self.sampled.bought or None,
            },
            "learned": {
                "cost": dollars(self.by_experience),
                "jobs": self.learned.jobs if self.learned else 0,
            },
            "price_table": {
                "output_at_most": dollars(self.counted.most_output),
                "input_at_most": dollars(self.most_input),
            },
            "simulated": simulated,
        }
