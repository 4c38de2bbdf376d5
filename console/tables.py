"""Tables for people: control characters made harmless, one line a row."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from console.logs import clean

WIDEST = 60
"""Characters of an answer shown in a cell."""


def results_table(rows: Iterable[Mapping[str, Any]], *, simulated: bool) -> Table:
    """Return item, state, finish reason, tokens, cost and first line of text of each row."""
    title = "Results (SIMULATED: no video was looked at, nothing was billed)" if simulated else None
    table = Table(title=title, title_justify="left")
    for name in ("item", "state", "finish", "tokens in/out", "cost USD", "answer"):
        right = name in {"tokens in/out", "cost USD"}
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "answer")
    for row in rows:
        table.add_row(*map(cell, _cells(row)))
    return table


def _cells(row: Mapping[str, Any]) -> Iterable[str]:
    yield row["custom_id"]
    yield row["state"]
    yield row["finish_reason"] or ""
    tokens = (row["prompt_tokens"], row["completion_tokens"])
    yield "/".join("-" if count is None else str(count) for count in tokens) if any(tokens) else ""
    yield "" if row["cost"] is None else f"{row['cost']:f}"
    problem = f"{row['error_code']}: {row['error_message']}" if row["error_code"] else ""
    yield problem or first_line(str(row["text"] or ""))


def first_line(text: str) -> str:
    """Return the first line that says something, cut."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= WIDEST else f"{line[: WIDEST - 1]}…"


def cell(text: str) -> str:
    """Return text that a terminal shows as it is: no control characters, no markup."""
    return escape(clean(text.encode("utf-8", "replace")))
