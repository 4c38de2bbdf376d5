"""Tables for people: control characters made harmless, whatever the width of the terminal."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.markup import escape
from rich.text import Text

from console.plain import plain

WIDE = 120
"""Columns of a terminal from which on an answer stands beside its item, not below it."""
SIMULATED = "SIMULATED: no video was looked at, nothing was billed"

_HEADS = ("item", "state", "finish", "tokens in/out", "cost USD", "answer")
_TO_THE_RIGHT = ("tokens in/out", "cost USD")
_LEAST = 20


def results_table(rows: Iterable[Mapping[str, Any]], width: int) -> Iterator[Text]:
    """Yield item, state, finish reason, tokens, cost and the answer's first line of simulated rows.

    Args:
        rows: Of the table (`batches.results.table`).
        width: Columns of the terminal; lines are cut to it.
    """
    cells = [[plain(text) for text in _cells(row)] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(_HEADS, *cells, strict=True)]
    widths[0] = max(_LEAST, min(widths[0], width - sum(widths[1:-1]) - 2 * len(widths[1:-1])))
    yield Text(f"Results ({SIMULATED})", style="italic")
    yield _line((*_HEADS[:-1], "answer" if width >= WIDE else ""), widths, width, "bold")
    for row in cells:
        yield _line(row, widths, width, "")


def _line(row: Sequence[str], widths: Sequence[int], width: int, style: str) -> Text:
    *firsts, answer = row
    line = "  ".join(
        _cut(text, size).rjust(size) if head in _TO_THE_RIGHT else _padded(text, size)
        for head, text, size in zip(_HEADS, firsts, widths, strict=False)
    )
    if width >= WIDE:
        return Text(_cut(f"{line}  {answer}", width), style=style)
    return Text(f"{line}\n{_cut(f'    {answer}', width)}".rstrip(), style=style)


def _padded(text: str, size: int) -> str:
    return set_cell_size(_cut(text, size), size)


def _cut(text: str, size: int) -> str:
    return text if cell_len(text) <= size else f"{set_cell_size(text, size - 1)}…"


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
    """Return the first line that says something."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def cell(text: str) -> str:
    """Return text that a terminal shows as it is: no control characters, no markup."""
    return escape(plain(text))
