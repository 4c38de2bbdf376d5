"""What a batch may cost, as the user says it."""

import pytest

from batches.budget import BadBudget, Budget, budget


@pytest.mark.parametrize(
    ("told", "nano"),
    [("25", 25 * 10**9), ("0.5", 5 * 10**8), ("0.000000001", 1), ("999999.999999999", 10**15 - 1)],
)
def test_a_plain_number_of_dollars_is_a_limit(told: str, nano: int) -> None:
    assert budget(told, None) == Budget(nano, None)


@pytest.mark.parametrize(
    "told",
    [
        *("", "0", "0.0", "-1", "+1", "1e3", "NaN", "inf", "5,00", "$5", " 5", "5\n", ".5", "5."),
        *("0.0000000001", "1000000", "99999999", "\uff11"),
    ],
)
def test_anything_else_is_refused_with_what_it_must_be(told: str) -> None:
    with pytest.raises(BadBudget, match="plain number of dollars above 0"):
        budget(told, None)


def test_an_input_of_more_than_two_hundred_thousand_tokens_has_the_higher_price() -> None:
    short, long = budget("1", 200_000), budget("1", 200_001)
    assert (short.bound, short.is_long) == (400_000_000, False)
    assert (long.bound, long.is_long) == (800_004_000, True)
    assert budget("1", None).bound is None
