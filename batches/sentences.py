"""What the check of a request says, as a sentence about the user's own column."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from batches.columns import MEDIA
from batches.problems import Of, RowError, shown
from tasks.wire.request import MODEL

_MEDIUM = "an http(s) URL, a media UUID or base64"
_MEDIUM_OR_FILE = "an http(s) URL, a local file, a media UUID or base64"
_TAKES = {
    "custom_id": "text",
    "prompt": "text, not blank",
    "content": "text, not blank",
    "role": "user or assistant; what a system says goes into systemPrompt",
    "messages": 'a list like [{"role": "user", "content": "What happens?"}]',
    "model": f"{MODEL}, or left out",
    "numberResults": "a whole number from 1 to 4",
    "seed": "a whole number from 0 to 4294967295",
    "inputs": 'an object like {"videos": ["https://..."]}',
    "settings": 'an object like {"maxTokens": 900}',
    "systemPrompt": "text of 1 to 200000 characters",
    "temperature": "a number from 0 to 2 in steps of 0.01",
    "topP": "a number from 0 to 1 in steps of 0.01",
    "maxTokens": "a whole number from 1 to 128000",
    "stopSequences": "a list of at most 5 texts of 1 to 50 characters",
    "thinkingLevel": "text, such as low, medium or high",
    **dict.fromkeys(MEDIA, _MEDIUM),
    **dict.fromkeys(MEDIA.values(), f"a list of at least one medium, each {_MEDIUM}"),
}
"""What each field takes (contract §2); a row that has something else is told so."""

_KINDS = {many: one for one, many in MEDIA.items()}


def with_files(error: RowError) -> RowError:
    """Return the error of a row that may name local files, too."""
    return replace(error, problem=error.problem.replace(_MEDIUM, _MEDIUM_OR_FILE))


def with_option(error: RowError, option: str) -> RowError:
    """Return the error of a row whose user may give all rows a prompt by an option."""
    if error.of is not Of.MISSING:
        return error
    return replace(error, problem=f"{error.problem}, or all of them one with {option}")


def told(line: int, given: Mapping[str, Any], error: Mapping[str, Any]) -> RowError:
    """Return the row's error for one of pydantic's."""
    path = [str(part) for part in error["loc"]]
    value = "" if error["type"] == "missing" or not path else shown(error["input"])
    is_absent = error["type"] == "missing" and path == ["messages"]
    of = Of.MISSING if is_absent else Of.VALUE
    return RowError(line, column(given, path), value, _problem(path, error), of)


def _problem(path: list[str], error: Mapping[str, Any]) -> str:
    if error["type"] == "missing":
        needed = "is missing; give the row a prompt"
        return needed if path == ["messages"] else f"is missing; it must be {_takes(path)}"
    if error["type"] == "extra_forbidden":
        return "is no field of this model"
    if error["type"] == "string_unicode":
        return "holds half a character (a lone surrogate)"
    if not path or (error["type"] == "value_error" and path[0] == "inputs"):  # says the fix itself
        return str(error["msg"]).removeprefix("Value error, ")
    return f"must be {_takes(path)}"


def _takes(path: list[str]) -> str:
    """Return what the innermost named part of a path takes; in a list, what its elements are."""
    names = [part for part in path if not part.isdigit()]
    name = names[-1] if names else ""
    if path[-1].isdigit():
        if name in _KINDS:
            return _TAKES[_KINDS[name]]
        return {"stopSequences": "text of 1 to 50 characters"}.get(name, "an object")
    return _TAKES.get(name, "something else")


def column(given: Mapping[str, Any], path: list[str]) -> str:
    """Return the name under which the user wrote the value at `path`."""
    if path[:1] == ["messages"] and "messages" not in given:
        return "prompt"
    if path[:1] == ["settings"] and len(path) > 1 and path[1] in given:
        return ".".join(path[1:])
    if path[:1] == ["inputs"] and len(path) > 1:
        one = _KINDS.get(path[1], path[1])
        if one in given:
            return one
        if path[1] in given:
            return ".".join(path[1:])
    return ".".join(path) or "messages"  # the one rule over the whole row is about them
