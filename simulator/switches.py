"""What each switch takes and means; its flag and environment variable follow from its name."""

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator.directives import Modes, Span

_HIGHEST_PORT = 65_535
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

Parse = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch: `--its-name`, `SIMULATOR_ITS_NAME`, and `its_name` at /truth/settings.

    Attributes:
        parse: Reads its value; raises ValueError.
        meaning: For `--help`.
    """

    parse: Parse
    meaning: str


def _whole(least: int, most: int | None = None) -> Parse:
    def parse(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() else -1
        if number < least or (most is not None and number > most):
            span = f"of at least {least}" if most is None else f"from {least} to {most}"
            raise ValueError(f"expected a whole number {span}, not {text!r}")
        return number

    return parse


def _seconds(text: str) -> float:
    return Span.parse(text).low


def _flag(text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueError(f"expected true or false, not {text!r}")
    return _BOOLEANS[text.lower()]


def _one_of(*words: str) -> Parse:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"expected one of {', '.join(words)}, not {text!r}")
        return text

    return parse


def _optional(parse: Parse) -> Parse:
    return lambda text: parse(text) if text else None


SWITCHES = {
    "host": Switch(str, "address to bind; the truth table has no key"),
    "port": Switch(_whole(0, _HIGHEST_PORT), "port; 0 picks a free one"),
    "api_key": Switch(_optional(str), "the only key accepted; unset: any key"),
    "max_body": Switch(_whole(1), "largest request body, in bytes"),
    "latency": Switch(Span.parse, "seconds a task takes: 2, or 1.0-3.0"),
    "remember": Switch(
        _one_of("forever", "running", "never"), "how long a used taskUUID conflicts"
    ),
    "unknown": Switch(_one_of("empty", "taskNotFound"), "how a poll for an unknown task ends"),
    "poll": Switch(Modes.parser("poll"), "how polls are answered"),
    "webhook": Switch(Modes.parser("webhook"), "how webhooks are delivered"),
    "webhook_tries": Switch(_whole(1), "tries before a webhook is given up"),
    "error_status": Switch(
        _optional(_whole(200, 599)), "HTTP status of an answer that holds errors alone"
    ),
    "directives": Switch(str, "directives of every task that does not say otherwise"),
    "capacity": Switch(_optional(_whole(0)), "tasks that may run at once"),
    "max_tasks": Switch(_optional(_whole(1)), "tasks that one request may hold"),
    "retention": Switch(_optional(_seconds), "seconds until a finished task is unknown"),
    "bill_failed": Switch(_flag, "charge the prompt of failed results"),
    "reject_key": Switch(_flag, "answer 401 to everything"),
    "insufficient_credits": Switch(_flag, "answer 402 to submissions"),
    "outage": Switch(_optional(_one_of("refuse", "500", "html", "hang")), "fail all of /v1"),
}


def parse(name: str, value: object) -> Any:  # noqa: ANN401 - each switch has its own type
    """Read one switch's value.

    Raises:
        ValueError: There is no such switch, or it does not take this value.
    """
    if name not in SWITCHES:
        raise ValueError(f"there is no setting {name!r}")
    try:
        return SWITCHES[name].parse(_as_text(value))
    except ValueError as exc:
        raise ValueError(f"{name}: {exc}") from exc


def _as_text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def command_line() -> argparse.ArgumentParser:
    """Return the parser of the flags; it leaves the values as text."""
    description = "A local Runware. Each flag can be set as SIMULATOR_NAME in the environment."
    parser = argparse.ArgumentParser(prog="python -m simulator", description=description)
    for name, switch in SWITCHES.items():
        flag = "--" + name.replace("_", "-")
        if switch.parse is _flag:
            parser.add_argument(flag, nargs="?", const="true", help=switch.meaning)
        else:
            parser.add_argument(flag, help=switch.meaning)
    return parser


def environment() -> dict[str, str]:
    """Return the switches that the environment sets, as text."""
    variables = {name: f"SIMULATOR_{name.upper()}" for name in SWITCHES}
    return {name: os.environ[var] for name, var in variables.items() if var in os.environ}
