"""What a batch may cost: the user's limit, as the store keeps it."""

import re
from dataclasses import dataclass
from decimal import Decimal

from tasks.money import LONG_PROMPT, MOST_USD, NANO, input_cost, usd
from tasks.reading import Batch

MOST_INPUT_TOKENS = 10_000_000
"""Ten times the model's context: a larger bound is a slip."""
_DOLLARS = re.compile(r"[0-9]{1,7}(\.[0-9]{1,9})?", re.ASCII)


class BadBudget(ValueError):
    """A limit that is none; the text says what it must be."""


@dataclass(frozen=True)
class Budget:
    """A limit in nano-dollars, and the most tokens that the input of one request has."""

    most: int
    input_tokens: int | None  # None: learned from the first jobs, which go one at a time

    @property
    def bound(self) -> int | None:
        """The most that an input costs, in nano-dollars; None where it is to be learned."""
        return None if self.input_tokens is None else input_cost(self.input_tokens)

    @property
    def is_long(self) -> bool:
        """Whether a prompt may be so long that output has the higher price, too."""
        return self.input_tokens is not None and self.input_tokens > LONG_PROMPT


def budget(dollars: str, input_tokens: int | None) -> Budget:
    """Read a limit.

    Args:
        dollars: A plain decimal.
        input_tokens: The most that the input of one request has, where the user says so.

    Raises:
        BadBudget: it is no amount of money that a batch can have.
    """
    if not _DOLLARS.fullmatch(dollars) or not 0 < Decimal(dollars) < MOST_USD:
        raise BadBudget(
            f"a plain number of dollars above 0 and below {MOST_USD:,}, with 9 decimals at most, "
            "for example 25 or 0.5"
        )
    return Budget(int(Decimal(dollars) * NANO), input_tokens)


def stopped(batch: Batch) -> str:
    """Return what stops a batch that its limit stops, and what to do; empty where none does."""
    if batch.limit is None or batch.next_cost is None:
        return ""
    least = batch.cost + batch.reserved + batch.untold + batch.next_cost
    aside = f" and {usd(batch.untold)} set aside" if batch.untold else ""
    return (
        f"stopped by --max-cost {usd(batch.limit)}: {usd(batch.cost)} USD spent{aside}, and the "
        f"next job may cost up to {usd(batch.next_cost)}. Go on: submit the same manifest again "
        f"with --max-cost {usd(least)} or more"
    )


def may_stop(batch: Batch, more: int) -> str:
    """Return what a batch's limit may stop of what costs up to `more`; empty where it does not."""
    spent = batch.cost + batch.reserved + batch.untold
    if batch.limit is None or spent + more <= batch.limit:
        return ""
    return (
        f"--max-cost {usd(batch.limit)} may stop some of them: {usd(batch.cost)} USD spent. Submit "
        "the same manifest again with a higher one"
    )


def overshot(batch: Batch) -> str:
    """Return by how much a batch cost more than its limit; empty where it did not."""
    if batch.limit is None or batch.cost <= batch.limit:
        return ""
    over = usd(batch.cost - batch.limit)
    return (
        f"it cost {over} USD more than --max-cost {usd(batch.limit)}: that was set below what had "
        "been spent, inputs were larger than expected, or the provider billed what it had not told"
    )


def untold(batch: Batch) -> str:
    """Return what a batch may cost beyond what was told; empty where all was told."""
    if not batch.untold:
        return ""
    return (
        f"the provider told no cost of some results: up to {usd(batch.untold)} USD more than is "
        "shown may be billed, and is set aside"
    )
