"""The table as Parquet: typed, in groups, read back as it was."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from batches.columns import OUTPUT
from batches.table_file import Format, Style, write_table
from batches.table_kinds import Kind
from batches.table_parquet import GROUP_ROWS
from tasks.errors import Error

STYLE = Style(Format.PARQUET)


def row(**fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return {**dict.fromkeys(OUTPUT), "custom_id": "a", "simulated": False, **fields}


def written(path: Path, *rows: dict[str, Any], **kinds: Kind) -> pa.Table:
    assert write_table(iter(rows), lambda: kinds, path, STYLE) == len(rows)
    return parquet.read_table(path)


def test_money_times_counts_and_flags_have_their_types(tmp_path: Path) -> None:
    table = written(
        tmp_path / "t.parquet",
        row(cost=Decimal("0.000000001"), queued_at="2026-11-22T10:00:00.123Z", prompt_tokens=7),
    )
    assert table.schema.field("cost").type == pa.decimal128(18, 9)
    assert table.schema.field("simulated").type == pa.bool_()
    (read,) = table.to_pylist()
    assert read["cost"] == Decimal("0.000000001")
    assert read["queued_at"] == datetime(2026, 11, 22, 10, 0, 0, 123_000, tzinfo=UTC)
    assert (read["prompt_tokens"], read["text"], read["simulated"]) == (7, None, False)


def test_the_columns_of_the_user_have_the_type_of_their_values(tmp_path: Path) -> None:
    columns = {"flag": True, "n": 2**60, "share": Decimal("0.1"), "who": "Åsa 🎬"}
    table = written(
        tmp_path / "t.parquet",
        row(**columns, mixed=["a", 1]),
        row(n=None, mixed="b"),
        flag=Kind.BOOL,
        n=Kind.INT,
        share=Kind.FLOAT,
        who=Kind.TEXT,
        mixed=Kind.JSON,
    )
    first, second = table.to_pylist()
    assert (first["flag"], first["n"], first["share"]) == (True, 2**60, 0.1)
    assert (first["who"], first["mixed"]) == ("Åsa 🎬", '["a", 1]')
    assert (second["n"], second["mixed"], second["who"]) == (None, '"b"', None)


def test_odd_values_of_the_provider_cost_no_row(tmp_path: Path) -> None:
    (read,) = written(
        tmp_path / "t.parquet",
        row(text={"a": 1}, seed="x", prompt_tokens=2**70, reasoning="\ud800"),
    ).to_pylist()
    assert (read["text"], read["seed"], read["prompt_tokens"]) == ('{"a": 1}', None, None)
    assert read["reasoning"] == "\\ud800"


@pytest.mark.parametrize("seed", [True, False])
def test_a_truth_value_where_the_provider_owes_a_number_is_none(
    seed: object, tmp_path: Path
) -> None:
    rows = (row(seed=seed, prompt_tokens=seed), row(seed=7, prompt_tokens=8))
    table = written(tmp_path / "t.parquet", *rows)
    assert table["seed"].to_pylist() == [None, 7]
    assert table["prompt_tokens"].to_pylist() == [None, 8]


def test_rows_are_taken_group_by_group_not_all_at_once(tmp_path: Path) -> None:
    waiting = most = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal waiting, most
        for number in range(2 * GROUP_ROWS + 5):
            waiting, most = waiting + 1, max(most, waiting)
            if number % GROUP_ROWS == 0:
                waiting = 0
            yield row(result_index=number)

    path = tmp_path / "t.parquet"
    assert write_table(rows(), dict, path, STYLE) == 2 * GROUP_ROWS + 5
    file = parquet.ParquetFile(path)
    assert file.num_row_groups == 3
    assert most <= GROUP_ROWS


def test_long_texts_make_smaller_groups(tmp_path: Path) -> None:
    written(tmp_path / "t.parquet", *[row(text="x" * 9_000_000) for _ in range(4)])
    assert parquet.ParquetFile(tmp_path / "t.parquet").num_row_groups == 2


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    assert written(tmp_path / "t.parquet").column_names == list(OUTPUT)


def test_what_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(b"old")
    with pytest.raises(Error, match="write it again"):
        write_table([row(late=1)], dict, path, STYLE)
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"old", [path])


@pytest.mark.parametrize(
    ("kind", "late"),
    [
        *((Kind.INT, late) for late in ("x", True, Decimal("0.5"), 2**70)),
        *((Kind.FLOAT, late) for late in ("x", False, [1])),
        *((Kind.BOOL, late) for late in ("maybe", 1)),
        *((Kind.TEXT, late) for late in (1, ["x"])),
    ],
)
def test_a_value_of_a_kind_that_came_while_the_table_was_written_is_not_lost_but_told(
    kind: Kind, late: object, tmp_path: Path
) -> None:
    with pytest.raises(Error, match="values of other kinds meanwhile: write it again"):
        written(tmp_path / "t.parquet", row(n=None), row(n=late), n=kind)
    assert list(tmp_path.iterdir()) == []
