"""Every fault of the table is a case, a test, or has a reason; and nothing of it is made up."""

import re
from pathlib import Path

import pytest
from all_cases import CASES
from fault_table import ROWS

TESTS = Path(__file__).parents[1]
NAMES = {one.name for one in CASES}


def test_all_eighty_six_faults_are_there() -> None:
    assert sorted(ROWS) == list(range(1, 87))


@pytest.mark.parametrize("number", ROWS)
def test_a_fault_is_met_by_what_exists_or_has_a_reason(number: int) -> None:
    row = ROWS[number]
    assert row.met or len(row.reason) > 40
    for where in row.met:
        file, _, name = where.rpartition("::")
        if file:
            text = (TESTS / file).read_text(encoding="utf-8")
            assert re.search(rf"^def {name}\(", text, re.MULTILINE), where
        else:
            assert where in NAMES


def test_every_case_is_named_by_the_table() -> None:
    named = {where for row in ROWS.values() for where in row.met if "::" not in where}
    assert named == NAMES


def test_no_two_cases_are_called_alike() -> None:
    titles = [one.title for one in CASES]
    assert len(titles) == len(set(titles))
