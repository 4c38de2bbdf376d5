"""Money as integers: 1 USD is 1,000,000,000 nano-dollars. No float ever holds an amount."""

import re
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal

NANO = 10**9
_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
MOST_USD = 10**6
"""A single result above a million dollars is not a price but a broken number."""

INPUT_NANO_PER_TOKEN = 2_000
OUTPUT_NANO_PER_TOKEN = 12_000
"""2 and 12 USD per million tokens, prompts up to 200k tokens (contract §8, Pricing)."""
LONG_PROMPT = 200_000
"""Tokens of a prompt above which both prices are higher."""
LONG_INPUT_NANO_PER_TOKEN = 4_000
LONG_OUTPUT_NANO_PER_TOKEN = 18_000


def nano_from_usd(amount: object) -> int | None:
    """Return nano-dollars of a JSON number read with Decimal, or None where it is no price.

    A string that holds a number is one, too.

    Amounts below a nano-dollar are rounded half to even. Missing is None, never zero: a cost that
    was not reported is unknown (contract §17, trap 26).
    """
    if isinstance(amount, str) and _NUMBER.fullmatch(amount):  # as others write money in JSON
        amount = Decimal(amount)
    if isinstance(amount, bool) or not isinstance(amount, int | Decimal):
        return None
    value = Decimal(amount)
    if not value.is_finite() or not 0 <= value <= MOST_USD:
        return None
    return int(_EXACT.to_integral_value(_EXACT.multiply(value, NANO)))


def usd(nano: int) -> str:
    """Return a plain decimal: 15720000 is `0.01572`."""
    sign, digits = ("-" if nano < 0 else ""), str(abs(nano)).rjust(10, "0")
    return f"{sign}{digits[:-9]}.{digits[-9:]}".rstrip("0").rstrip(".")


def reservation(max_tokens: int, number_results: int, *, long: bool = False) -> int:
    """Return the most that a job's output can cost, in nano-dollars (input is bounded later).

    `long` is whether its prompt may be longer than LONG_PROMPT.
    """
    price = LONG_OUTPUT_NANO_PER_TOKEN if long else OUTPUT_NANO_PER_TOKEN
    return max_tokens * number_results * price


def input_cost(tokens: int) -> int:
    """Return what a prompt of so many tokens costs, in nano-dollars."""
    price = LONG_INPUT_NANO_PER_TOKEN if tokens > LONG_PROMPT else INPUT_NANO_PER_TOKEN
    return tokens * price


def total(amounts: Iterable[int | None]) -> int | None:
    """Add nano-dollars; None where none was reported, for unknown is not zero."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None
