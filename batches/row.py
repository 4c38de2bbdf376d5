"""One row of a manifest: from the user's flat columns to a request, or to errors.

Every error names line, column, value and fix.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import Any

from batches.body import checked, clashes, merged, nested, said
from batches.columns import IGNORED, OURS, OUTPUT, REQUEST
from batches.defaults import Defaults
from batches.files import NoFile, find
from batches.passengers import media_left_behind, misspelt
from batches.problems import BadRow, Of, RowError, named, shown
from batches.prompt import Prompt
from batches.sentences import column, with_files, with_option
from batches.text import is_printable

LONGEST_ID = 256
MOST_NAMES = 200
"""Characters of column names that a message lists."""
_NO_OBJECT = "must be a JSON object, one a line"
_TAKEN = frozenset(OUTPUT) - REQUEST
_ANY_MEDIUM = "00000000-0000-4000-8000-000000000000"
"""Stands for a local file while its row is checked: it will be a UUID like this."""


@dataclass(frozen=True)
class LocalFile:
    """A medium on this machine, found to be there and not empty when its row was read."""

    path: Path  # absolute, links resolved
    size: int  # bytes


@dataclass(frozen=True)
class Row:
    """A checked row."""

    line: int
    custom_id: str
    body: Mapping[str, Any]  # request fields, nested as the provider has them
    columns: Mapping[str, Any]  # everything else, carried to the results
    files: Mapping[str, LocalFile] = field(default_factory=dict)
    """Local media, by the placeholders (`file:clips/7.mp4`) that stand for them in the body."""

    @cached_property
    def weight(self) -> int:
        """About how many characters of texts it has."""
        own = sum(_weight(value) for value in self.columns.values())
        asked = sum(len(message["content"]) for message in self.body["messages"])
        media = sum(len(one) for given in self.body.get("inputs", {}).values() for one in given)
        return own + asked + media


def _weight(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    return len(repr(value)) if isinstance(value, list | dict) else 0


def _by_option(name: str) -> str:
    return f"--passenger {quote(name)}"


@dataclass(frozen=True)
class Rules:
    """How the rows of one manifest are read."""

    defaults: Defaults = field(default_factory=Defaults)
    passengers: frozenset[str] = frozenset()  # columns that are carried, however they are called
    roots: tuple[Path, ...] = ()
    """Folders, absolute and without links, that local media may lie in; none: there are none."""
    naming: Callable[[str], str] = _by_option
    """Tells how its user makes a column a passenger; empty: there is no way."""
    prompting: str = "--prompt"
    """Option by which its user gives all rows a prompt; empty: there is none."""


PLAIN = Rules()


def read_row(line: int, given: object, rules: Rules = PLAIN) -> tuple[Row, list[str]]:
    """Check one parsed row; returns it with warnings. A null is as good as no value.

    Raises:
        BadRow: with every error of the row.
    """
    if not isinstance(given, dict):
        raise BadRow([RowError(line, "row", shown(given), _NO_OBJECT)])
    given = said(given)
    custom_id = given.get("custom_id", str(line))
    errors = _column_errors(line, given, custom_id, rules)
    own = nested(given)
    body = merged(rules.defaults.body, own)
    if rules.defaults.prompt and "messages" not in body:
        columns = {"custom_id": custom_id, **given}
        errors += _unfilled(line, columns, rules.defaults.prompt)
        content = rules.defaults.prompt.filled(columns)
        body["messages"] = [{"role": "user", "content": content}]
    if not own.get("inputs"):
        errors += _left_behind(line, given, rules)
    files = _Files(line, given, rules)
    try:
        body, warned = checked(line, given, files.taken_out(body))
    except BadRow as exc:
        errors += _in_full(exc.errors, rules)
    if errors or files.errors:
        raise BadRow(errors + files.errors)
    files.put_back(body)
    columns = {k: v for k, v in given.items() if k not in REQUEST and k not in IGNORED}
    return Row(line, custom_id, body, columns, files.found), warned


def _in_full(errors: Iterable[RowError], rules: Rules) -> Iterable[RowError]:
    """Return errors with all that may be done about them."""
    if rules.roots:
        errors = map(with_files, errors)
    return (with_option(error, rules.prompting) for error in errors) if rules.prompting else errors


def _column_errors(
    line: int, given: Mapping[str, Any], custom_id: object, rules: Rules
) -> list[RowError]:
    return [
        *_refused(line, given, rules),
        *clashes(line, given),
        *_id_errors(line, custom_id),
    ]


def _refused(line: int, given: Mapping[str, Any], rules: Rules) -> Iterator[RowError]:
    def wrong(name: str, problem: str) -> RowError:
        return RowError(line, name, "", problem, Of.NAME)

    for name in given:
        if name in OURS:
            yield wrong(name, f"leave it out: {OURS[name]}")
        elif name in _TAKEN:
            yield wrong(name, "the results have a column of this name; rename yours")
    for name, near in misspelt(given, rules.passengers):
        way = _or_carried(name, rules)
        yield wrong(name, f"is not sent: did you mean {near}? Else rename it{way}")


def _or_carried(name: str, rules: Rules) -> str:
    way = rules.naming(named(name))
    return way and f", or carry it along with {way}"


def _id_errors(line: int, custom_id: object) -> Iterator[RowError]:
    problem = ""
    if not isinstance(custom_id, str):
        problem = 'must be text, in quotes: "7", not 7'
    elif not 1 <= len(custom_id) <= LONGEST_ID:
        problem = f"must have 1 to {LONGEST_ID} characters, has {len(custom_id)}"
    elif not is_printable(custom_id):
        odd = next(char for char in custom_id if not is_printable(char))
        problem = f"must be printable characters; take out U+{ord(odd):04X}"
    if problem:
        yield RowError(line, "custom_id", shown(custom_id), problem)


def _unfilled(line: int, columns: Mapping[str, Any], prompt: Prompt) -> Iterator[RowError]:
    there = ", ".join(named(name) for name, value in columns.items() if value is not None)
    for name in prompt.lacking(columns):
        slot = f"{{{named(name)}}}"
        problem = (
            f"the prompt has {slot}, but this row has no value for it. "
            f"It has {there[:MOST_NAMES]}. Write {{{slot}}} for {slot} itself"
        )
        yield RowError(line, name, "", problem, Of.MISSING)


def _left_behind(line: int, given: Mapping[str, Any], rules: Rules) -> Iterator[RowError]:
    other = " but that of --defaults" if rules.defaults.body.get("inputs") else ""
    for name, way in media_left_behind(given, rules.passengers):
        problem = f"is not sent, and the row has no medium{other}: {way}"
        yield RowError(line, name, "", f"{problem}{_or_carried(name, rules)}", Of.COLUMN)


class _Files:
    """The local files among a row's media."""

    def __init__(self, line: int, given: Mapping[str, Any], rules: "Rules") -> None:
        self._line, self._given, self._roots = line, given, rules.roots
        self._places: list[tuple[str, int, str]] = []  # field, index, placeholder
        self.found: dict[str, LocalFile] = {}
        self.errors: list[RowError] = []

    def taken_out(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the request with a UUID in the place of each local file."""
        inputs = body.get("inputs")
        if not self._roots or not isinstance(inputs, dict):
            return body
        return {**body, "inputs": {name: self._without(name, inputs[name]) for name in inputs}}

    def put_back(self, body: Mapping[str, Any]) -> None:
        """Put the placeholders of the files where they stood."""
        for name, index, placeholder in self._places:
            body["inputs"][name][index] = placeholder

    def _without(self, name: str, media: object) -> object:
        if not isinstance(media, list):
            return media
        return [
            _ANY_MEDIUM if isinstance(value, str) and self._is_local(name, index, value) else value
            for index, value in enumerate(media)
        ]

    def _is_local(self, name: str, index: int, value: str) -> bool:
        try:
            found = find(value, self._roots)
        except NoFile as exc:
            where = column(self._given, ["inputs", name, str(index)])
            self.errors.append(RowError(self._line, where, shown(value), str(exc)))
            return True
        if found is None:
            return False
        placeholder, path, size = found
        self._places.append((name, index, placeholder))
        self.found[placeholder] = LocalFile(path, size)
        return True
