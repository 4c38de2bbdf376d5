"""From flat columns to the request as the provider has it, checked."""

import warnings
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from batches.columns import MEDIA, REQUEST, SETTINGS
from batches.problems import BadRow, Of, RowError
from batches.sentences import told
from tasks.wire.request import KNOWN_THINKING_LEVELS, MODEL, Settings, TextInference

Model = TypeVar("Model", bound=BaseModel)
_ANY_TASK = "00000000-0000-4000-8000-000000000000"
_WHOLE = frozenset({"model", "numberResults", "seed", "messages"})
_LISTS = frozenset(MEDIA.values())
_SETTINGS = frozenset(SETTINGS)
_NULLABLE = REQUEST - {"custom_id"}
_SECOND = frozenset({"messages", "inputs", "settings"}) | _LISTS
"""Columns that may say what another says too."""


def said(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row says: a null of a field is as good as none, in inputs and settings too."""
    fields = _without_nulls(given)
    for name in ("inputs", "settings"):
        if isinstance(fields.get(name), dict):
            fields[name] = _without_nulls(fields[name])
    return fields


def _without_nulls(given: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in given.items() if v is not None or k not in _NULLABLE}


def clashes(line: int, given: Mapping[str, Any]) -> list[RowError]:
    """Return an error for each two columns that say the same thing."""
    if _SECOND.isdisjoint(given):
        return []
    pairs = [("prompt", "messages"), *MEDIA.items()]
    pairs += [(name, "inputs") for name in (*MEDIA, *MEDIA.values()) if "inputs" in given]
    nested = given["settings"] if isinstance(given.get("settings"), dict) else {}
    pairs += [(name, f"settings.{name}") for name in SETTINGS if name in nested]
    there = given.keys() | {f"settings.{name}" for name in nested}
    return [
        RowError(line, a, "", f"stands beside {b}; give one of them", Of.COLUMN)
        for a, b in pairs
        if a in given and b in there
    ]


def nested(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request fields that a row `said`, where the provider has them, unchecked."""
    body: dict[str, Any] = {}
    flat: dict[str, dict[str, Any]] = {"inputs": {}, "settings": {}}
    for name, value in given.items():
        if name in _WHOLE:
            body[name] = value
        elif name in _SETTINGS:
            flat["settings"][name] = value
        elif name in MEDIA:
            flat["inputs"].setdefault(MEDIA[name], [value])
        elif name in _LISTS:
            flat["inputs"][name] = value
    if "prompt" in given:
        body["messages"] = [{"role": "user", "content": given["prompt"]}]
    for name, fields in flat.items():
        whole = given.get(name)
        if isinstance(whole, dict):
            body[name] = {**whole, **fields}
        elif fields or name in given:
            body[name] = given.get(name, fields)
    return body


def merged(base: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """Return `body` with what it does not say taken from `base`, setting by setting."""
    both = {**base, **body}
    for name in ("inputs", "settings"):
        if isinstance(body.get(name), dict) and isinstance(base.get(name), dict):
            both[name] = {**base[name], **body[name]}
    return both


def checked(
    line: int, given: Mapping[str, Any], body: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return a body as it is sent, and warnings.

    Args:
        line: For errors.
        given: The columns the body was made from: errors name these.
        body: The request fields, nested.

    Raises:
        BadRow: with everything that is wrong with it.
    """
    body = {"model": MODEL, **body}
    try:
        task, warned = _read(TextInference, {**body, "taskUUID": _ANY_TASK}, body.get("settings"))
    except ValidationError as exc:
        errors = exc.errors(include_url=False)
        raise BadRow([told(line, given, error) for error in errors]) from None
    return _plain(task.settings, body), warned


def _plain(settings: Settings | None, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a body; only settings are read differently than written."""
    plain = {name: value for name, value in body.items() if value is not None}
    if settings is not None:
        plain["settings"] = settings.model_dump(exclude_none=True)
    if "inputs" in plain:
        plain["inputs"] = {kind: [*media] for kind, media in body["inputs"].items() if media}
    return plain


def _read(
    model: type[Model], fields: Mapping[str, Any], settings: object
) -> tuple[Model, list[str]]:
    level = settings.get("thinkingLevel", "high") if isinstance(settings, dict) else "high"
    if isinstance(level, str) and level in KNOWN_THINKING_LEVELS:
        return model(**fields), []
    # Catching warnings takes longer than all the rest, so only where there may be one.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read = model(**fields)
    return read, [str(warning.message) for warning in caught]
