"""The check of a whole manifest: what is wrong with it, or what it holds."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

from batches.alike import Alike, Missing
from batches.csv_rows import Cells
from batches.problems import BadManifest, BadRow, Of, RowError, named, shown
from batches.prompt import Prompt
from batches.row import Row, Rules, read_row
from batches.sources import Source
from batches.text import is_printable
from batches.twins import Twins

MOST_ERRORS = 20
"""Errors told at once; a file with more of them has one cause."""

MOST_COUNTED = 10_000
"""Errors from which the rest of a manifest is not looked at."""


@dataclass
class Checked:
    """What a whole manifest holds."""

    rows: int = 0
    results: int = 0  # the sum of numberResults
    files: int = 0  # local media that are named, twice where two rows name one
    warnings: list[str] = field(default_factory=list)


class Check:
    """One reading of a manifest, in bounded memory.

    Args:
        rules: How its rows are read.
        twins: Takes the ids.
    """

    def __init__(self, rules: Rules, twins: Twins) -> None:
        self.done = Checked()
        self._rules, self._twins = rules, twins
        self._errors: list[RowError] = []
        self._count = 0
        self._columns = Alike[tuple[str, str]]()  # by name and problem
        self._wrong_names = set[str]()  # of a header
        self._warned = Alike[str]()
        self._without_id = Alike[str]()
        self._without_medium = Alike[str]()
        self._has_media = False
        prompt = rules.defaults.prompt or Prompt("")
        plain = {name: [name] for name in prompt.plain}
        self._missing = Missing({"prompt": ["prompt", "messages"], **plain}, MOST_ERRORS)
        self._odd = prompt.odd
        self._missing_odd = Missing({name: [name] for name in self._odd}, MOST_ERRORS)

    @property
    def has_errors(self) -> bool:
        """Whether the manifest cannot be queued, by what was seen so far."""
        return self._count > 0 or bool(self._missing)

    @property
    def is_hopeless(self) -> bool:
        """Whether there are so many errors that more say nothing."""
        return self._count >= MOST_COUNTED

    def row(self, line: int, given: object) -> Row | None:
        """Look at a row as its source has it; returns it where nothing is wrong with it."""
        if isinstance(given, BadRow):
            self.refuse(given.errors)
            return None
        header = None
        if isinstance(given, Cells):
            header, given = given.header, given.columns
        if isinstance(given, dict):
            self._note_id(line, given)
            self._note_values(given)
            self._note_slots(line, given)
        try:
            row, warnings = read_row(line, given, self._rules)
        except BadRow as exc:
            self.refuse(exc.errors if header is None else self._in_header(header, exc.errors))
            return None
        self.done.rows += 1
        self.done.results += row.body.get("numberResults", 1)
        self.done.files += len(row.files)
        self._note_medium(row)
        for text in warnings:
            self._warned.is_new(text, line)
        return row

    def _note_id(self, line: int, given: dict[str, object]) -> None:
        if "custom_id" not in given:
            self._without_id.is_new("", line)
        custom_id = given.get("custom_id", str(line))
        if isinstance(custom_id, str) and is_printable(custom_id):
            self._twins.add(custom_id, line)

    def _note_medium(self, row: Row) -> None:
        if row.body.get("inputs"):
            self._has_media = True
        else:
            self._without_medium.is_new("", row.line)

    def _note_values(self, given: dict[str, object]) -> None:
        for errors, count in self._missing.released(given):
            self._take(errors, count)

    def _note_slots(self, line: int, given: dict[str, object]) -> None:
        """Look at slots that are text where no row has such a column."""
        if not self._odd or not given.keys().isdisjoint(("prompt", "messages")):
            return
        for errors, count in self._missing_odd.released(given):
            self._take(errors, count)
        for name in self._odd:
            if given.get(name) is None:
                slot = f"{{{named(name)}}}"
                problem = f"the prompt has {slot}, but this row has no value for it"
                error = RowError(line, name, "", problem)
                if not self._missing_odd.holds(error):
                    self._take([error])

    def refuse(self, errors: Iterable[RowError]) -> None:
        """Take errors of a row; of those that many rows have, one is told."""
        for error in errors:
            if error.of is Of.MISSING and self._missing.holds(error):
                continue
            shared = error.of in {Of.COLUMN, Of.NAME}
            if not shared or self._columns.is_new(_kind(error), error.line):
                self._take([error])

    def _in_header(self, header: int, errors: Sequence[RowError]) -> Iterator[RowError]:
        """Yield errors of a row, those of names where they stand, once."""
        for error in errors:
            if error.of is not Of.NAME:
                yield error
            elif error.column not in self._wrong_names:
                self._wrong_names.add(error.column)
                yield replace(error, line=header, of=Of.VALUE)

    def _take(self, errors: Sequence[RowError], count: int = 1) -> None:
        """Count errors, and keep the first of all by their lines."""
        self._count += count
        if len(self._errors) < MOST_ERRORS or errors[0].line < self._errors[-1].line:
            self._errors = sorted([*self._errors, *errors], key=attrgetter("line"))[:MOST_ERRORS]

    def ended(self, source: Source) -> Checked:
        """Return what the manifest holds.

        Raises:
            BadManifest: it cannot be queued.
        """
        self._refuse_missing()
        self._refuse_twins()
        if self._count:
            raise BadManifest(self._listed(source), self._errors)
        if not self.done.rows:
            nothing = "; ".join([source.nothing, *self.done.warnings])
            raise BadManifest(f"{source.name} {nothing}")
        self._warn(source.unit)
        return self.done

    def _refuse_twins(self) -> None:
        twins, count = self._twins.first(MOST_ERRORS)
        for line, first, custom_id in twins:
            problem = f"stands on line {first} already; each row needs its own"
            self.refuse([RowError(line, "custom_id", shown(custom_id), problem)])
        self._count += count - len(twins)

    def _refuse_missing(self) -> None:
        for error, more in self._missing.left():
            if self._columns.is_new(_kind(error), error.line, more):
                self._take([error])

    def _warn(self, unit: str) -> None:
        for _, line, more in self._without_id.all():
            rows = f"{more + 1} rows have" if more else "a row has"
            self.done.warnings.append(
                f"{unit} {line}: {rows} no custom_id, so the {unit} number is used: inserting "
                f"{unit}s shifts it, and the rows behind count as new or changed"
            )
        for _, line, more in self._without_medium.all() if self._has_media else ():
            self.done.warnings.append(
                f"{unit} {line}: has no medium, though other rows have one{_also(more)}"
            )
        for text, line, more in self._warned.all():
            self.done.warnings.append(f"{unit} {line}: {text}{_also(more)}")

    def _listed(self, source: Source) -> str:
        told = [
            error.told(source.unit) + _also(self._columns.more(_kind(error)))
            for error in self._errors
        ]
        if self._count > len(told):
            least = "at least " if self.is_hopeless else ""
            told.append(f"... and {least}{self._count - len(told)} more")
        return "\n  ".join([refusal(source), *told])


def refusal(source: Source) -> str:
    """Return the line above what is wrong."""
    return f"{source.name} was not queued, nothing was spent:"


def _kind(error: RowError) -> tuple[str, str]:
    return error.column, error.problem


def _also(more: int) -> str:
    return f" (also on {more} more)" if more else ""
