"""The fields and limits of `textInference` for google:gemini@3.1-pro (contract §2)."""

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from urllib.parse import urlsplit

from simulator.errors import DOCUMENTATION, error

MODEL = "google:gemini@3.1-pro"
SEEDS = 2**32
UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-\s]+={0,2}")
_DATA_URI = re.compile(r"data:[\w.+-]+/[\w.+-]+;base64,", re.ASCII)
# Fields that other Runware models have, and this one's page does not list.
_FOREIGN = frozenset({"tools", "toolChoice", "routing"})

Errors = Iterator[dict[str, object]]
Check = Callable[[str, object], Errors]


def errors_of(task: Mapping[str, object]) -> list[dict[str, object]]:
    """Return an error for each field that is missing, unknown or outside its limits."""
    required = ("taskUUID", "model", "messages")
    return list(_check_fields("", task, _TASK, required))


def errors_of_poll(task: Mapping[str, object]) -> list[dict[str, object]]:
    """Return an error for each wrong field of a `getResponse` task (contract §4)."""
    checks = {"taskType": _one_of("getResponse"), "taskUUID": _any_uuid}
    return list(_check_fields("", task, checks, ("taskUUID",)))


def _any_uuid(name: str, value: object) -> Errors:
    if not isinstance(value, str) or not UUID.fullmatch(value):
        yield _invalid(name, "must be a UUID", type="string")


def _uuid4(name: str, value: object) -> Errors:
    if not isinstance(value, str) or not UUID4.fullmatch(value):
        yield _invalid(name, "must be a UUID v4 in lower case", type="string")


def _invalid(name: str, rule: str, **extra: object) -> dict[str, object]:
    leaf = re.sub(r"\[\d+\].*", "", name).rpartition(".")[2]
    code = "invalid" + leaf[:1].upper() + leaf[1:]
    message = f"Invalid value for '{name}' parameter. It {rule}."
    return error(code, message, parameter=name, **extra, documentation=DOCUMENTATION)


def _missing(name: str) -> dict[str, object]:
    leaf = name.rpartition(".")[2]
    code = "missing" + leaf[:1].upper() + leaf[1:]
    message = f"Missing required parameter '{name}'."
    return error(code, message, parameter=name, documentation=DOCUMENTATION)


def _unknown(name: str) -> dict[str, object]:
    code = "unsupportedParameter" if name in _FOREIGN else "unknownParameter"
    message = f"The parameter '{name}' is not one of {MODEL}."
    return error(code, message, parameter=name, documentation=DOCUMENTATION)


def _check_fields(
    prefix: str, value: Mapping[str, object], checks: Mapping[str, Check], required: tuple[str, ...]
) -> Errors:
    for name in required:
        if name not in value:
            yield _missing(prefix + name)
    for name, field in value.items():
        if name in checks:
            yield from checks[name](prefix + name, field)
        else:
            yield _unknown((prefix + name)[:200])


def _object_of(checks: Mapping[str, Check]) -> Check:
    def check(name: str, value: object) -> Errors:
        if isinstance(value, dict):
            yield from _check_fields(name + ".", value, checks, ())
        else:
            yield _invalid(name, "must be an object", type="object")

    return check


def _one_of(*allowed: str) -> Check:
    def check(name: str, value: object) -> Errors:
        if value not in allowed:
            rule = f"must be one of: {', '.join(allowed)}"
            yield _invalid(name, rule, type="string", allowedValues=list(allowed))

    return check


def _integer(least: int, most: int) -> Check:
    def check(name: str, value: object) -> Errors:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            rule = f"must be an integer value between {least} and {most}"
            yield _invalid(name, rule, type="integer", min=least, max=most)

    return check


def _hundredths(most: int) -> Check:
    """Check a number from 0 in steps of 0.01, exactly: in floats 0.29 is no multiple of 0.01."""
    step = Decimal("0.01")

    def check(name: str, value: object) -> Errors:
        number = isinstance(value, int | Decimal) and not isinstance(value, bool)
        fits = number and 0 <= value <= most and Decimal(value) % step == 0  # type: ignore[operator, arg-type] # number narrows it
        if not fits:
            rule = f"must be a number between 0 and {most} in multiples of 0.01"
            yield _invalid(name, rule, type="float", min=0, max=most, multiplier=0.01)

    return check


def _boolean(name: str, value: object) -> Errors:
    if not isinstance(value, bool):
        yield _invalid(name, "must be true or false", type="boolean")


def _string(least: int, most: int) -> Check:
    def check(name: str, value: object) -> Errors:
        if not isinstance(value, str) or not least <= len(value) <= most:
            rule = f"must be a string of {least} to {most} characters"
            yield _invalid(name, rule, type="string", min=least, max=most)

    return check


def _array(check_item: Check, least: int, most: int | None = None) -> Check:
    def check(name: str, value: object) -> Errors:
        if not isinstance(value, list) or len(value) < least or (most and len(value) > most):
            rule = f"must be an array of at least {least} items"
            limits = {"min": least} if most is None else {"min": least, "max": most}
            yield _invalid(name, f"{rule} and at most {most}" if most else rule, **limits)
            return
        for number, item in enumerate(value):
            yield from check_item(f"{name}[{number}]", item)

    return check


def _media(forms: str, *, data_uri: bool = False) -> Check:
    def check(name: str, value: object) -> Errors:
        text = value if isinstance(value, str) else ""
        if data_uri and (found := _DATA_URI.match(text)):
            text = text[found.end() :]
        if not (UUID.fullmatch(text) or is_url(text) or _BASE64.fullmatch(text)):
            yield _invalid(name, f"must be a {forms}", type="string")

    return check


def is_url(text: str) -> bool:
    """Say whether this is an absolute http or https URL without spaces."""
    try:
        parts = urlsplit(text)
        known = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return known and text.isprintable() and " " not in text


def _url(name: str, value: object) -> Errors:
    if not isinstance(value, str) or not is_url(value):
        yield _invalid(name, "must be an http or https URL", type="string")


def _messages(name: str, value: object) -> Errors:
    if not isinstance(value, list) or not value:
        yield _invalid(name, "must be an array of at least 1 message", type="array", min=1)
        return
    for number, message in enumerate(value):
        yield from _message(f"{name}[{number}]", message)
    if isinstance(value[-1], dict) and value[-1].get("role") == "assistant":
        yield _invalid(name, "must end with a message of the user")


def _message(name: str, value: object) -> Errors:
    if not isinstance(value, dict):
        yield _invalid(name, "must be an object", type="object")
        return
    # A system message is no role here: it goes into settings.systemPrompt.
    checks = {"role": _one_of("user", "assistant"), "content": _string(0, 2**31)}
    yield from _check_fields(name + ".", value, checks, ("role", "content"))


_SETTINGS: dict[str, Check] = {
    "systemPrompt": _string(1, 200_000),
    "temperature": _hundredths(2),
    "topP": _hundredths(1),
    "maxTokens": _integer(1, 128_000),
    "stopSequences": _array(_string(1, 50), least=0, most=5),
    "thinkingLevel": _one_of("low", "medium", "high"),
}

# A data URI is documented for images alone.
_INPUTS: dict[str, Check] = {
    "audios": _array(_media("UUID, URL or Base64"), least=1),
    "documents": _array(_media("UUID, URL or Base64"), least=1),
    "images": _array(_media("UUID, URL, data URI or Base64", data_uri=True), least=1),
    "videos": _array(_media("UUID, URL or Base64"), least=1),
}

_TASK: dict[str, Check] = {
    "taskType": _one_of("textInference"),
    "taskUUID": _uuid4,
    "model": _one_of(MODEL),
    "messages": _messages,
    "deliveryMethod": _one_of("sync", "async", "stream"),
    "webhookURL": _url,
    "includeCost": _boolean,
    "includeUsage": _boolean,
    "numberResults": _integer(1, 4),
    "inputs": _object_of(_INPUTS),
    "seed": _integer(0, SEEDS - 1),
    "settings": _object_of(_SETTINGS),
    "outputFormat": _one_of("TEXT"),
}
