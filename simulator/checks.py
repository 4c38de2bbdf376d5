"""Checks of single fields, from which the tables of each taskType are made (contract §2, §6)."""

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from urllib.parse import urlsplit

from simulator.errors import DOCUMENTATION, error

UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,", re.ASCII)
_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_UUID4_OR_7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-\s]+={0,2}")
# What an upload that is not ready gives for its UUID; it would pass for Base64 (contract §12).
PLACEHOLDER = "1"
# Fields that the model's page does not list, and the official client's types have.
_FOREIGN = frozenset({"tools", "toolChoice", "routing"})

Errors = Iterator[dict[str, object]]
Check = Callable[[str, object], Errors]


def any_uuid(name: str, value: object) -> Errors:
    """Check a UUID of any version, in either case."""
    if not isinstance(value, str) or not UUID.fullmatch(value):
        yield invalid(name, "must be a UUID", type="string")


def is_task_uuid(value: object, versions: str) -> bool:
    """Say whether this can be a taskUUID; `versions` is v4, or v7 which accepts both."""
    pattern = _UUID4_OR_7 if versions == "v7" else _UUID4
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def task_uuid(versions: str) -> Check:
    """Check a taskUUID that the client chose."""

    def check(name: str, value: object) -> Errors:
        if not is_task_uuid(value, versions):
            yield invalid(name, "must be a UUID v4 in lower case", type="string")

    return check


def invalid(name: str, rule: str, **extra: object) -> dict[str, object]:
    """Return the error of a field outside its limits."""
    leaf = re.sub(r"\[\d+\].*", "", name).rpartition(".")[2]
    code = "invalid" + leaf[:1].upper() + leaf[1:]
    message = f"Invalid value for '{name}' parameter. It {rule}."
    return error(code, message, parameter=name, **extra, documentation=DOCUMENTATION)


def missing(name: str) -> dict[str, object]:
    """Return the error of a field that is not there."""
    leaf = name.rpartition(".")[2]
    code = "missing" + leaf[:1].upper() + leaf[1:]
    message = f"Missing required parameter '{name}'."
    return error(code, message, parameter=name, documentation=DOCUMENTATION)


def unknown(name: str) -> dict[str, object]:
    """Return the error of a field that the service does not know."""
    code = "unsupportedParameter" if name in _FOREIGN else "unknownParameter"
    message = f"The parameter '{name}' is not supported here."
    return error(code, message, parameter=name, documentation=DOCUMENTATION)


def check_fields(
    prefix: str, value: Mapping[str, object], checks: Mapping[str, Check], required: tuple[str, ...]
) -> Errors:
    """Check an object: what is missing, wrong or unknown in it."""
    for name in required:
        if name not in value:
            yield missing(prefix + name)
    for name, field in value.items():
        if name in checks:
            yield from checks[name](prefix + name, field)
        else:
            yield unknown((prefix + name)[:200])


def any_object(name: str, value: object) -> Errors:
    """Check an object whose fields are not known."""
    if not isinstance(value, dict):
        yield invalid(name, "must be an object", type="object")


def object_of(checks: Mapping[str, Check]) -> Check:
    """Check an object by the checks of its fields."""

    def check(name: str, value: object) -> Errors:
        yield from any_object(name, value)
        if isinstance(value, dict):
            yield from check_fields(name + ".", value, checks, ())

    return check


def one_of(*allowed: str) -> Check:
    """Check that a value is one of a few words."""

    def check(name: str, value: object) -> Errors:
        if value not in allowed:
            rule = f"must be one of: {', '.join(allowed)}"
            yield invalid(name, rule, type="string", allowedValues=list(allowed))

    return check


def integer(least: int, most: int) -> Check:
    """Check a whole number."""

    def check(name: str, value: object) -> Errors:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            rule = f"must be an integer value between {least} and {most}"
            yield invalid(name, rule, type="integer", min=least, max=most)

    return check


def hundredths(most: int) -> Check:
    """Check a number from 0 in steps of 0.01, exactly: in floats 0.29 is no multiple of 0.01."""
    step = Decimal("0.01")

    def check(name: str, value: object) -> Errors:
        number = isinstance(value, int | Decimal) and not isinstance(value, bool)
        fits = number and 0 <= value <= most and Decimal(value) % step == 0  # type: ignore[operator, arg-type] # number narrows it
        if not fits:
            rule = f"must be a number between 0 and {most} in multiples of 0.01"
            yield invalid(name, rule, type="float", min=0, max=most, multiplier=0.01)

    return check


def boolean(name: str, value: object) -> Errors:
    """Check true or false."""
    if not isinstance(value, bool):
        yield invalid(name, "must be true or false", type="boolean")


def string(least: int, most: int) -> Check:
    """Check a string by its number of characters."""

    def check(name: str, value: object) -> Errors:
        if not isinstance(value, str) or not least <= len(value) <= most:
            rule = f"must be a string of {least} to {most} characters"
            yield invalid(name, rule, type="string", min=least, max=most)

    return check


def array(check_item: Check, least: int, most: int | None = None) -> Check:
    """Check an array and each of its items."""

    def check(name: str, value: object) -> Errors:
        if not isinstance(value, list) or len(value) < least or (most and len(value) > most):
            rule = f"must be an array of at least {least} items"
            limits = {"min": least} if most is None else {"min": least, "max": most}
            yield invalid(name, f"{rule} and at most {most}" if most else rule, **limits)
            return
        for number, item in enumerate(value):
            yield from check_item(f"{name}[{number}]", item)

    return check


def media(forms: str, *, data_uri: bool = False) -> Check:
    """Check a medium: UUID, URL, Base64 and, where allowed, a data URI."""

    def check(name: str, value: object) -> Errors:
        text = value if isinstance(value, str) else ""
        if data_uri and (found := DATA_URI.match(text)):
            text = text[found.end() :]
        known = UUID.fullmatch(text) or is_url(text) or _BASE64.fullmatch(text)
        if not known or text == PLACEHOLDER:
            yield invalid(name, f"must be a {forms}", type="string")

    return check


def is_url(text: str) -> bool:
    """Say whether this is an absolute http or https URL without spaces."""
    try:
        parts = urlsplit(text)
        known = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return known and text.isprintable() and " " not in text


def url(name: str, value: object) -> Errors:
    """Check an http or https URL."""
    if not isinstance(value, str) or not is_url(value):
        yield invalid(name, "must be an http or https URL", type="string")
