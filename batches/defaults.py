"""What a batch gives to each row that does not say otherwise: a file's fields, then options'."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from batches.body import checked, clashes, merged, nested, said
from batches.columns import IGNORED, MEDIA, OURS, REQUEST, SETTINGS, meant
from batches.problems import BadManifest, BadRow, RowError, shown
from batches.prompt import Prompt
from tasks.wire.answer import MANY_DIGITS, Unreadable, parse

SETTABLE = (*(name for name in SETTINGS if name != "systemPrompt"), "seed", "numberResults")
"""What --set may set, under the provider's own names."""

_BOM = "\ufeff"


class BadSetting(ValueError):
    """A NAME=VALUE that sets nothing; the text says why."""


@dataclass(frozen=True)
class Defaults:
    """Request fields for rows that lack them."""

    body: Mapping[str, Any] = field(default_factory=dict)  # nested as the provider has them
    prompt: Prompt | None = None


def defaults(
    file: Path | None, options: Mapping[str, Any], prompt_file: Path | None = None
) -> Defaults:
    """Return the defaults of a batch, checked as a row is; options win over the file.

    Args:
        file: A JSON or TOML object of request fields.
        options: Request fields from the command line.
        prompt_file: A text that is the prompt, as if it were among the options.

    Raises:
        BadManifest: with everything that is wrong, each under its option or file.
    """
    layers = [(str(file), _read(file))] if file else []
    if prompt_file:
        layers.append((str(prompt_file), {"prompt": _read_text(prompt_file)}))
    layers.append(("", options))
    body: dict[str, Any] = {}
    problems: list[str] = []
    layers = [(origin, said(fields)) for origin, fields in layers]
    for origin, fields in layers:
        problems += [_told(origin, error) for error in _errors(fields)]
        body = merged(body, nested(fields))
    if problems:
        raise BadManifest("\n  ".join(["nothing was queued:", *problems]))
    prompt = next((fields["prompt"] for _, fields in reversed(layers) if "prompt" in fields), None)
    if prompt is None or "messages" in options:
        return Defaults(body)
    return Defaults({k: v for k, v in body.items() if k != "messages"}, Prompt(prompt))


def _errors(fields: Mapping[str, Any]) -> list[RowError]:
    errors = [
        RowError(0, name, "", _stranger(name))
        for name in fields
        if name not in REQUEST - {"custom_id"} and name not in IGNORED
    ]
    # Media are left to the rows: whether a file is there depends on where the manifest stands.
    known = {k: v for k, v in fields.items() if k in REQUEST and not _is_media(k)}
    body = {"messages": [{"role": "user", "content": "?"}], **nested(known)}
    try:
        checked(0, known, body)
    except BadRow as exc:
        errors += exc.errors
    return errors + clashes(0, fields)


def _is_media(name: str) -> bool:
    return name in MEDIA or name in MEDIA.values() or name == "inputs"


def _stranger(name: str) -> str:
    if name in OURS:
        return f"leave it out: {OURS[name]}"
    if name == "custom_id":
        return "each row needs its own; leave it out"
    return (
        f"is no request field; did you mean {meant(name)}?"
        if meant(name)
        else ("is no request field; columns of your own stand in the rows")
    )


_OPTIONS = {"prompt": "--prompt", "systemPrompt": "--system-prompt"}


def _told(origin: str, error: RowError) -> str:
    name = error.column.partition(".")[0]
    where = f"{origin}, {error.column}" if origin else _OPTIONS.get(name, f"--set {error.column}")
    value = f" ({error.value})" if error.value else ""
    return f"{where}{value}: {error.problem}"


def _read(file: Path) -> Mapping[str, Any]:
    text = _read_text(file)
    try:
        if file.suffix.lower() == ".toml":
            fields: object = tomllib.loads(text, parse_float=Decimal)
        else:
            fields = parse(text.encode())
    except (Unreadable, tomllib.TOMLDecodeError, RecursionError) as exc:
        kind = "TOML" if file.suffix.lower() == ".toml" else "JSON (name it .toml if it is TOML)"
        raise BadManifest(f"{file} is not {kind}: {exc}") from None
    except (ValueError, ArithmeticError):  # only of TOML, whose reader lets them through
        raise BadManifest(f"{file} is not TOML that can be read: {MANY_DIGITS}") from None
    if not isinstance(fields, dict):
        raise BadManifest(f'{file} must be an object of request fields, like {{"maxTokens": 900}}')
    return {name: value for name, value in fields.items() if value is not None}


def _read_text(file: Path) -> str:
    """Return a prompt's or defaults' file: UTF-8, a BOM and the line end at its end left out.

    Raises:
        BadManifest: it cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8").removeprefix(_BOM).rstrip("\r\n")
    except OSError as exc:
        raise BadManifest(f"cannot read {file}: {exc.strerror}") from None
    except UnicodeDecodeError as exc:
        problem = f"byte {exc.start + 1} is not UTF-8; save it as UTF-8"
        raise BadManifest(f"cannot read {file}: {problem}") from None


def settings_from(pairs: Sequence[str], names: Sequence[str] = SETTABLE) -> dict[str, Any]:
    """Read NAME=VALUE pairs; a value is JSON where it reads as such, else text.

    Raises:
        BadSetting: a pair is none, names none of `names`, or stands twice.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise BadSetting(f"{shown(pair)} is not NAME=VALUE, for example maxTokens=900")
        if name not in names:
            raise BadSetting(
                f"there is no {shown(name)}: use {', '.join(names)}, or --system-prompt"
            )
        if name in found:
            raise BadSetting(f"{name} is given twice: give it once")
        found[name] = _value(value)
    return found


def _value(text: str) -> object:
    try:
        return parse(text.encode("utf-8", "replace"))
    except Unreadable:
        return text
