"""One manifest row: from the user's flat columns to a request, or to errors a person can act on."""

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from tasks.wire.request import MODEL, TextInference

MEDIA = {"video": "videos", "image": "images", "audio": "audios", "document": "documents"}
SETTINGS = (
    "systemPrompt",
    "temperature",
    "topP",
    "maxTokens",
    "stopSequences",
    "thinkingLevel",
)
OURS = {
    "taskType": "it is always textInference",
    "taskUUID": "it is derived from the batch and custom_id, so that nothing is bought twice",
    "deliveryMethod": "jobs are always submitted async",
    "webhookURL": "callbacks go to PUBLIC_URL; set it in the environment",
    "includeCost": "cost is always asked for",
    "includeUsage": "usage is always asked for",
}
OUTPUT = (
    "custom_id",
    "job_id",
    "task_uuid",
    "state",
    "result_index",
    "text",
    "finish_reason",
    "reasoning",
    "seed",
    "cost",
    "prompt_tokens",
    "completion_tokens",
    "thinking_tokens",
    "attempts",
    "error_code",
    "error_message",
    "queued_at",
    "submitted_at",
    "completed_at",
    "simulated",
)
"""Columns of the results; a column of the user's with such a name would be overwritten."""

REQUEST = frozenset(
    {
        *("custom_id", "prompt", "messages", "model", "numberResults", "seed"),
        *("inputs", "settings", *MEDIA, *MEDIA.values(), *SETTINGS),
    }
)
IGNORED = frozenset({"_error"})  # written by `results --failed`
_PLAIN = {name.lower().replace("_", ""): name for name in sorted(REQUEST)}
LONGEST_ID = 256
SHOWN = 60
"""Characters of a value or name that a message repeats."""
_ANY_TASK = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class RowError:
    """What is wrong with one value of one row."""

    line: int
    column: str
    value: str
    problem: str

    def __str__(self) -> str:
        value = f" ({self.value})" if self.value else ""
        column = self.column if self.column.isprintable() else shown(self.column)
        return f"line {self.line}, {column[:SHOWN]}{value}: {self.problem}"


@dataclass(frozen=True)
class Row:
    """A checked row."""

    line: int
    custom_id: str
    body: Mapping[str, Any]  # request fields, nested as the provider has them
    columns: Mapping[str, Any]  # everything else, carried to the results


class BadRow(ValueError):
    """A row with one or more errors."""

    def __init__(self, errors: list[RowError]) -> None:
        super().__init__(errors)
        self.errors = errors


def read_row(line: int, given: object) -> tuple[Row, list[str]]:
    """Check one parsed row; returns it with warnings.

    Raises:
        BadRow: with every error of the row.
    """
    if not isinstance(given, dict):
        raise BadRow([RowError(line, "row", shown(given), "must be a JSON object")])
    errors = [
        *_refused(line, given),
        *_clashes(line, given),
        *_id_errors(line, given.get("custom_id", str(line))),
    ]
    body, more = _checked(line, given)
    if errors or more:
        raise BadRow(errors + more)
    custom_id = given.get("custom_id", str(line))
    columns = {k: v for k, v in given.items() if k not in REQUEST | IGNORED}
    warned = [] if "custom_id" in given else ["no custom_id: the line number is used"]
    return Row(line, custom_id, body[0], columns), warned + body[1]


def _refused(line: int, given: Mapping[str, Any]) -> list[RowError]:
    ours = [
        RowError(line, name, "", f"leave it out: {OURS[name]}") for name in OURS if name in given
    ]
    taken = [
        RowError(line, name, "", "the results have a column of this name; rename yours")
        for name in OUTPUT
        if name in given and name not in REQUEST
    ]
    return [*ours, *taken, *_misspelt(line, given)]


def _misspelt(line: int, given: Mapping[str, Any]) -> list[RowError]:
    """Columns that would be carried where a field was meant: max_tokens would limit nothing."""
    meant = {name: _PLAIN.get(re.sub(r"[ _-]", "", name).lower(), name) for name in given}
    return [
        RowError(line, name, "", f"is not sent; write {field}, or rename it")
        for name, field in meant.items()
        if name != field and name not in OUTPUT
    ]


def _clashes(line: int, given: Mapping[str, Any]) -> list[RowError]:
    """Two columns that say the same thing."""
    pairs = [("prompt", "messages"), *MEDIA.items()]
    pairs += [(name, "inputs") for name in (*MEDIA, *MEDIA.values()) if "inputs" in given]
    nested = given["settings"] if isinstance(given.get("settings"), dict) else {}
    return [
        RowError(line, a, "", f"stands beside {b}; give one of them")
        for a, b in pairs
        if a in given and b in given
    ] + [
        RowError(line, name, "", f"stands beside settings.{name}; give one of them")
        for name in SETTINGS
        if name in given and name in nested
    ]


def _id_errors(line: int, custom_id: object) -> list[RowError]:
    if not isinstance(custom_id, str):
        return [RowError(line, "custom_id", shown(custom_id), "must be a string")]
    if not 1 <= len(custom_id) <= LONGEST_ID:
        problem = f"must have 1 to {LONGEST_ID} characters, has {len(custom_id)}"
        return [RowError(line, "custom_id", shown(custom_id), problem)]
    if not custom_id.isprintable():
        return [RowError(line, "custom_id", shown(custom_id), "must be printable characters")]
    return []


def _nested(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row's request fields where the provider has them."""
    body = {k: given[k] for k in ("model", "numberResults", "seed", "messages") if k in given}
    body.setdefault("model", MODEL)
    if "prompt" in given:
        body["messages"] = [{"role": "user", "content": given["prompt"]}]
    inputs = dict(given["inputs"]) if isinstance(given.get("inputs"), dict) else {}
    for one, many in MEDIA.items():
        if one in given:
            inputs[many] = [given[one]]
        if many in given:
            inputs[many] = given[many]
    settings = dict(given["settings"]) if isinstance(given.get("settings"), dict) else {}
    settings |= {name: given[name] for name in SETTINGS if name in given}
    for name, value in (("inputs", inputs), ("settings", settings)):
        whole = given.get(name)
        if value or name in given:
            body[name] = whole if whole and not isinstance(whole, dict) else value or whole
    return body


def _checked(
    line: int, given: Mapping[str, Any]
) -> tuple[tuple[dict[str, Any], list[str]], list[RowError]]:
    body = _nested(given)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            task = TextInference(**body, taskUUID=_ANY_TASK)
        except ValidationError as exc:
            return (body, []), [_told(line, given, error) for error in exc.errors()]
    checked = task.model_dump(exclude_none=True, include=set(body))
    return (checked, [str(w.message) for w in caught]), []


def _told(line: int, given: Mapping[str, Any], error: Mapping[str, Any]) -> RowError:
    path = [str(part) for part in error["loc"]]
    column = _column(given, path)
    problem = error["msg"].removeprefix("Value error, ")
    value = "" if error["type"] == "missing" or not path else shown(error["input"])
    if error["type"] == "missing" and path == ["messages"]:
        column, problem = "prompt", "is missing; give prompt, or messages"
    if error["type"] == "extra_forbidden":
        problem = "is no field of this model"
    return RowError(line, column, value, problem)


def _column(given: Mapping[str, Any], path: list[str]) -> str:
    """Return the name under which the user wrote the value at `path`."""
    if path[:1] == ["messages"] and "prompt" in given:
        return "prompt"
    if path[:1] == ["settings"] and len(path) > 1 and path[1] in given:
        return ".".join(path[1:])
    singular = {many: one for one, many in MEDIA.items()}
    if path[:1] == ["inputs"] and len(path) > 1:
        one = singular.get(path[1], path[1])
        if one in given:
            return one
        if path[1] in given:
            return ".".join(path[1:])
    return ".".join(path) or "messages"  # the one rule over the whole row is about them


def shown(value: object) -> str:
    """Return a value short enough for one line, control characters made visible."""
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
