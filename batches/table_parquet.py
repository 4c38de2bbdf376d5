"""A table as Parquet: typed columns, row groups of bounded size."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from batches.columns import OUTPUT
from batches.table_json import json_text
from batches.table_kinds import INT64, Kind, holds
from tasks.errors import Error

GROUP_ROWS = 10_000
GROUP_CHARACTERS = 16_000_000
"""Rows and characters of text from which on a row group is written: what is held in memory."""

_MONEY = pa.decimal128(18, 9)  # dollars to the nano-dollar; a result is below a million
_TIME = pa.timestamp("ms", tz="UTC")
_OURS = {
    **dict.fromkeys(OUTPUT, pa.string()),
    **dict.fromkeys(("result_index", "seed", "attempts"), pa.int64()),
    **dict.fromkeys(("prompt_tokens", "completion_tokens", "thinking_tokens"), pa.int64()),
    **dict.fromkeys(("queued_at", "submitted_at", "completed_at"), _TIME),
    "cost": _MONEY,
    "simulated": pa.bool_(),
}
_THEIRS = {
    Kind.BOOL: pa.bool_(),
    Kind.INT: pa.int64(),
    Kind.LARGE: pa.int64(),
    Kind.FLOAT: pa.float64(),
    Kind.TEXT: pa.string(),
    Kind.JSON: pa.string(),
}


def write_parquet(rows: Iterable[Mapping[str, Any]], kinds: Mapping[str, Kind], path: Path) -> None:
    """Write rows.

    Args:
        rows: Of a table.
        kinds: The user's columns.
        path: Of the file.

    Raises:
        Error: a row has a column that is not among these, or of another kind: the batch grew
            meanwhile.
        OSError: the file cannot be written.
    """
    types = {**_OURS, **{name: _THEIRS[kind] for name, kind in kinds.items()}}
    nested = {name for name, kind in kinds.items() if kind is Kind.JSON}
    with parquet.ParquetWriter(path, pa.schema(list(types.items())), compression="zstd") as file:
        for group in _groups(rows):
            _check_columns(group, kinds)
            columns = [
                pa.array([_value(row.get(name), kind, name in nested) for row in group], kind)
                for name, kind in types.items()
            ]
            file.write_table(pa.Table.from_arrays(columns, schema=file.schema))


def _check_columns(group: Iterable[Mapping[str, Any]], kinds: Mapping[str, Kind]) -> None:
    names = {*OUTPUT, *kinds}
    for row in group:
        if not names >= row.keys():
            raise Error("the batch got rows with other columns meanwhile: write it again")
        if not all(holds(kind, row.get(name)) for name, kind in kinds.items()):
            raise Error("the batch got rows with values of other kinds meanwhile: write it again")


def _groups(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    group: list[Mapping[str, Any]] = []
    size = 0
    for row in rows:
        group.append(row)
        size += sum(len(value) for value in row.values() if isinstance(value, str))
        if len(group) == GROUP_ROWS or size > GROUP_CHARACTERS:
            yield group
            group, size = [], 0
    if group:
        yield group


def _value(value: object, kind: pa.DataType, is_json: bool) -> object:  # noqa: FBT001  the column's
    if value is None or kind == pa.bool_():
        return value
    if is_json or (kind == pa.string() and not isinstance(value, str)):
        return _text(json_text(value))
    if kind == pa.int64():  # the provider's own numbers may be anything
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return value if is_whole and value in INT64 else None
    if isinstance(value, str):
        return datetime.fromisoformat(value) if kind == _TIME else _text(value)
    if isinstance(value, Decimal) and kind == _MONEY:
        return value
    return float(value)  # type: ignore[arg-type]  # the column holds numbers alone


def _text(value: str) -> str:
    """Return text that UTF-8 can hold: lone surrogates as JSON writes them."""
    return value.encode("utf-8", "backslashreplace").decode()
