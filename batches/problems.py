"""What is wrong with a manifest, in words a person can act on."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from tasks.errors import Error

SHOWN = 60
"""Characters of a value or name that a message repeats."""


class Of(Enum):
    """What of a row is wrong, and by that which other rows have the same error."""

    VALUE = "value"  # none
    COLUMN = "column"  # those that have the column
    NAME = "name"  # the same; in a table it is wrong in the header, and there alone
    MISSING = "missing"  # all, where none has a value of the column


@dataclass(frozen=True)
class RowError:
    """What is wrong with one value of one row."""

    line: int
    column: str
    value: str
    problem: str
    of: Of = Of.VALUE

    def __str__(self) -> str:
        return self.told("line")

    def told(self, unit: str) -> str:
        """Return it as a sentence; `unit` is what the row's number counts."""
        return f"{unit} {self.line}, {self.about}"

    @property
    def about(self) -> str:
        """What is wrong, without where the row stands."""
        value = f" ({self.value})" if self.value else ""
        return f"{self._name}{value}: {self.problem}"

    @property
    def about_unquoted(self) -> str:
        """The same without the value, which others than who gave it may not be shown."""
        return f"{self._name}: {self.problem}"

    @property
    def _name(self) -> str:
        return named(self.column)[:SHOWN]


class BadRow(ValueError):
    """A row with one or more errors."""

    def __init__(self, errors: list[RowError]) -> None:
        super().__init__(errors)
        self.errors = errors


class BadManifest(Error):
    """A manifest that cannot be queued; the text names every line, column, value and fix."""

    def __init__(self, text: str, errors: Sequence[RowError] = ()) -> None:
        super().__init__(text, errors)
        self.text, self.errors = text, errors

    def __str__(self) -> str:
        return self.text


def named(name: str) -> str:
    """Return the name of a column as it is, or, where it would move a cursor, made visible."""
    return name if name.isprintable() else shown(name)


def shown(value: object) -> str:
    """Return a value short enough for one line, control characters made visible."""
    if isinstance(value, str | bytes):
        value = value[: 2 * SHOWN]  # of ten megabytes no more than is shown is spelled out
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
