"""The table as CSV: exact, but for what a spreadsheet would run."""

import csv
from collections.abc import Mapping
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.columns import OUTPUT
from batches.table_csv import csv_lines
from batches.table_file import Format, Style
from tasks.errors import Error


def read(lines: list[bytes], delimiter: str = ",") -> list[dict[str, str]]:
    text = b"".join(lines).decode()
    return list(csv.DictReader(StringIO(text, newline=""), delimiter=delimiter))


def written(*rows: Mapping[str, Any], columns: tuple[str, ...] = (), **how: Any) -> Any:  # noqa: ANN401
    return read(list(csv_lines(rows, columns, **how)))


def test_our_columns_come_first_and_what_is_missing_is_an_empty_cell() -> None:
    lines = list(csv_lines([{"text": "seen", "camera": "north"}], ["camera", "shift"]))
    assert lines[0].decode() == ",".join([*OUTPUT, "camera", "shift"]) + "\r\n"
    (row,) = read(lines)
    assert (row["text"], row["camera"], row["shift"], row["cost"]) == ("seen", "north", "", "")


def test_money_has_no_exponent_and_other_values_are_json() -> None:
    (row,) = written(
        {"cost": Decimal("1E-9"), "simulated": True, "attempts": 2, "tags": ["a", {"b": None}]},
        columns=("tags",),
    )
    assert (row["cost"], row["simulated"], row["attempts"]) == ("0.000000001", "true", "2")
    assert row["tags"] == '["a", {"b": null}]'


@pytest.mark.parametrize("start", list("=+-@\t\r\uff1d\uff0b\uff0d\uff20"))
def test_a_text_that_a_spreadsheet_would_run_is_quoted_unless_it_must_be_exact(start: str) -> None:
    text = f"{start}HYPERLINK(1)"
    assert written({"text": text})[0]["text"] == f"'{text}"
    assert written({"text": text}, exact=True)[0]["text"] == text


def test_a_name_of_a_column_is_no_formula_either() -> None:
    lines = list(csv_lines([{"=cmd": "a"}], ["=cmd"]))
    assert lines[0].endswith(b",'=cmd\r\n")


def test_negative_numbers_are_no_texts() -> None:
    assert written({"shift": -3}, columns=("shift",))[0]["shift"] == "-3"


@pytest.mark.parametrize("number", ["-71.06", "+49", "-3", "-1.5e-7", "+2E10"])
def test_a_text_that_is_a_number_is_no_formula(number: str) -> None:
    assert written({"text": number})[0]["text"] == number


@pytest.mark.parametrize(
    "text", ["-1+1", "-1\n", "--1", "-.5", "-", "+1e", "-\u0661", "=1", "-1.", "-1,5"]
)
def test_a_text_that_is_almost_a_number_may_be_one(text: str) -> None:
    assert written({"text": text})[0]["text"] == f"'{text}"


@given(st.lists(st.text(), min_size=1, max_size=3), st.sampled_from(",\t"))
def test_any_text_is_read_back_as_it_was(texts: list[str], delimiter: str) -> None:
    texts = [t.encode("utf-8", "replace").decode() for t in texts]
    rows = [{"text": text, "custom_id": "a"} for text in texts]
    lines = list(csv_lines(rows, [], delimiter=delimiter, exact=True))
    assert [row["text"] for row in read(lines, delimiter)] == texts


def test_what_no_utf8_can_hold_is_written_as_json_does() -> None:
    assert written({"text": "a\ud800b\0c"})[0]["text"] == "a\\ud800b\0c"


def test_a_megabyte_in_a_cell_is_whole() -> None:
    csv.field_size_limit(10**8)
    text = "x\n" * 500_000
    assert written({"text": text})[0]["text"] == text


def test_a_row_with_a_column_that_came_later_is_not_cut() -> None:
    with pytest.raises(Error, match="write it again"):
        written({"text": "a", "late": 1})


def test_excel_is_told_that_it_is_utf8() -> None:
    lines = list(Style(Format.CSV, excel=True).lines([], dict))
    assert lines[0] == b"\xef\xbb\xbf"


def test_tsv_is_the_same_with_tabs() -> None:
    (row,) = read(list(Style(Format.TSV).lines([{"text": "a\tb"}], dict)), "\t")
    assert row["text"] == "a\tb"
