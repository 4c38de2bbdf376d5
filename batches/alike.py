"""Errors and warnings that many rows of a manifest have in common, told once, in bounded memory."""

from collections.abc import Collection, Hashable, Iterator, Mapping
from typing import Generic, TypeVar

from batches.problems import RowError

K = TypeVar("K", bound=Hashable)

_MOST_KINDS = 1000
"""Different errors and warnings that are told apart."""


class Alike(Generic[K]):
    """Counts what many rows have in common, with the first line of each."""

    def __init__(self) -> None:
        self._seen: dict[K, list[int]] = {}  # first line, how many more

    def is_new(self, key: K, line: int, more: int = 0) -> bool:
        """Whether it was not met yet; where there are too many kinds, each is new.

        Args:
            key: What the rows have in common.
            line: Of the row.
            more: Rows behind it that have it too.
        """
        if key in self._seen:
            self._seen[key][1] += 1 + more
            return False
        if len(self._seen) < _MOST_KINDS:
            self._seen[key] = [line, more]
        return True

    def more(self, key: K) -> int:
        """Return how often it was met again."""
        return self._seen[key][1] if key in self._seen else 0

    def all(self) -> list[tuple[K, int, int]]:
        """Return all kinds with their first line and how often they were met again."""
        return [(key, line, more) for key, (line, more) in self._seen.items()]


class Missing:
    """Rows without a value of a column, held back until a row is seen to have one.

    Then each is an error of its own. Where no row has one, they have a single error in common: it
    is the column that is missing.

    Args:
        names: The columns, each with those that a row may have in its place, itself among them.
        most: Errors of each that are kept; of more the number.
    """

    def __init__(self, names: Mapping[str, Collection[str]], most: int) -> None:
        self._names, self._most = dict(names), most
        self._held: dict[str, tuple[list[RowError], int]] = {}

    def __bool__(self) -> bool:
        return bool(self._held)

    def released(self, given: Mapping[str, object]) -> Iterator[tuple[list[RowError], int]]:
        """Yield what was held back, with its number, of each column that this row is first with."""
        for name, columns in [*self._names.items()]:
            if any(given.get(column) is not None for column in columns):
                del self._names[name]
                if name in self._held:
                    yield self._held.pop(name)

    def holds(self, error: RowError) -> bool:
        """Hold an error back; False where its column has values, so that it is one of its own."""
        if error.column not in self._names:
            return False
        errors, count = self._held.get(error.column, ([], 0))
        kept = errors if len(errors) == self._most else [*errors, error]
        self._held[error.column] = kept, count + 1
        return True

    def left(self) -> Iterator[tuple[RowError, int]]:
        """Yield the first error of each column without values, and how many more rows have it."""
        for errors, count in self._held.values():
            yield errors[0], count - 1
