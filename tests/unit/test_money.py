"""Money is exact, and what is no price is unknown."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.money import nano_from_usd, reservation, total, usd


@pytest.mark.parametrize(
    ("amount", "nano"),
    [
        (Decimal("0.01572"), 15_720_000),
        (Decimal("0.02386"), 23_860_000),
        (0, 0),
        (3, 3_000_000_000),
        (Decimal("-0.0"), 0),
        (Decimal("1E-9"), 1),
        (Decimal("1E+3"), 1_000_000_000_000),
        (1_000_000, 10**15),
        (Decimal("0.0000000005"), 0),  # half a nano-dollar goes to the even one
        (Decimal("0.0000000015"), 2),
        (Decimal("0.0000000025"), 2),
        (Decimal("0.00000000250000000001"), 3),
        (Decimal("1E-999999999"), 0),
        (Decimal("0." + "1" * 500), 111_111_111),
        ("0.01572", 15_720_000),
        ("2", 2_000_000_000),
        ("1e-07", 100),
        ("1.572E-2", 15_720_000),
    ],
)
def test_a_json_number_becomes_nano_dollars(amount: object, nano: int) -> None:
    assert nano_from_usd(amount) == nano


@pytest.mark.parametrize(
    "amount",
    [
        *(None, True, False, "1e", "1e1000", "-1", "", " 1", "٣", [], {}, 0.01, float("nan")),
        *(-1, Decimal("-0.000000001"), Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity")),
        *(1_000_001, Decimal("1000000.000000001"), Decimal("1E+999999999"), 10**4000),
    ],
)
def test_what_is_no_price_is_unknown(amount: object) -> None:
    assert nano_from_usd(amount) is None


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "0"),
        (1, "0.000000001"),
        (15_720_000, "0.01572"),
        (10**9, "1"),
        (1_500_000_000, "1.5"),
        (10**18, "1000000000"),
        (-15_720_000, "-0.01572"),
        (-(10**9), "-1"),
    ],
)
def test_nano_dollars_are_shown_as_plain_decimals(nano: int, text: str) -> None:
    assert usd(nano) == text


@given(st.integers(0, 10**15))
def test_what_is_shown_is_what_is_meant(nano: int) -> None:
    assert nano_from_usd(Decimal(usd(nano))) == nano
    assert "E" not in usd(nano)


@given(st.decimals(0, 10**6, places=9))
def test_no_nano_dollar_is_lost(amount: Decimal) -> None:
    nano = nano_from_usd(amount)
    assert nano is not None
    assert Decimal(nano) == amount * 10**9


def test_a_reservation_is_what_the_output_of_all_results_can_cost() -> None:
    assert usd(reservation(1200, 1)) == "0.0144"
    assert usd(reservation(128_000, 4)) == "6.144"


def test_a_sum_leaves_out_what_was_not_reported_and_is_unknown_where_nothing_was() -> None:
    assert total([15, None, 5]) == 20
    assert total([0, None]) == 0
    assert total([None, None]) is None
    assert total([]) is None
