"""Read the value of a switch or directive from text; each parser raises ValueError."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from simulator.words import Span

_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

Parse = Callable[[str], Any]


def whole(least: int, most: int | None = None) -> Parse:
    """Return the parser of a whole number within limits."""

    def parse(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() else -1
        if number < least or (most is not None and number > most):
            span = f"of at least {least}" if most is None else f"from {least} to {most}"
            raise ValueError(f"expected a whole number {span}, not {text!r}")
        return number

    return parse


def seconds(text: str) -> float:
    """Read one number of seconds."""
    return Span.parse(text).low


def flag(text: str) -> bool:
    """Read true or false."""
    if text.lower() not in _BOOLEANS:
        raise ValueError(f"expected true or false, not {text!r}")
    return _BOOLEANS[text.lower()]


def one_of(*words: str) -> Parse:
    """Return the parser of a word from a list."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"expected one of {', '.join(words)}, not {text!r}")
        return text

    return parse


def optional(parse: Parse) -> Parse:
    """Return a parser that reads nothing as "not set"."""
    return lambda text: parse(text) if text else None


def dollars(text: str) -> Decimal:
    """Read an amount of dollars."""
    if not re.fullmatch(r"\d{1,12}(?:\.\d{1,9})?", text, re.ASCII):
        raise ValueError(f"expected dollars like 12.50, not {text!r}")
    return Decimal(text)


def code(text: str) -> str:
    """Read the code of an error."""
    if not re.fullmatch(r"[A-Za-z]\w{0,63}", text, re.ASCII):
        raise ValueError(f"expected the code of an error, not {text!r}")
    return text


def status(text: str) -> int:
    """Read a final HTTP status."""
    if not re.fullmatch(r"[2-5]\d\d", text, re.ASCII):
        raise ValueError(f"there is no final HTTP status {text!r}")
    return int(text)


def retry_after(text: str) -> str:
    """Read what `Retry-After` says: seconds, or `date:` and seconds for the form of a date."""
    whole(0, 86_400)(text.removeprefix("date:"))
    return text


def outage(text: str) -> str:
    """Read how the whole service fails: a word, or an HTTP status from 300."""
    if text in {"refuse", "hang", "html", "garbage"} or re.fullmatch(r"[345]\d\d", text, re.ASCII):
        return text
    raise ValueError(f"expected refuse, hang, html, garbage or a status from 300, not {text!r}")
