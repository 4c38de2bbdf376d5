"""What each switch takes and means; its flag and environment variable follow from its name."""

import argparse
import os
from dataclasses import dataclass
from typing import Any

from simulator import directives, parsers
from simulator.parsers import Parse, code, dollars, flag, one_of, optional, seconds, whole
from simulator.words import Modes, Span

_HIGHEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch: `--its-name`, `SIMULATOR_ITS_NAME`, and `its_name` at /truth/settings.

    Attributes:
        parse: Reads its value; raises ValueError.
        meaning: For `--help`.
    """

    parse: Parse
    meaning: str


SWITCHES = {
    "host": Switch(str, "address to bind; the truth table has no key"),
    "port": Switch(whole(0, _HIGHEST_PORT), "port; 0 picks a free one"),
    "journal": Switch(optional(str), "file by which tasks are known after a restart"),
    "api_key": Switch(optional(str), "the only key accepted; unset: any key"),
    "reject_key": Switch(flag, "answer 401 to everything"),
    "auth_item": Switch(flag, "name the session when the key came in the payload"),
    "max_body": Switch(whole(1), "largest request body, in bytes"),
    "max_tasks": Switch(optional(whole(1)), "tasks that one request may hold"),
    "max_submissions": Switch(optional(whole(1)), "textInference tasks one request may hold"),
    "max_polls": Switch(optional(whole(1)), "getResponse tasks one request may hold"),
    "unsupported": Switch(str, "fields of a task it does not know: a,b"),
    "uuids": Switch(one_of("v4", "v7"), "v7 accepts taskUUIDs of version 7 besides 4"),
    "data_uris": Switch(one_of("images", "all"), "inputs that may be data URIs"),
    "latency": Switch(Span.parse, "seconds a task takes: 2, or 1.0-3.0"),
    "capacity": Switch(optional(whole(0)), "tasks that may run at once"),
    "retry_after": Switch(
        optional(parsers.retry_after), "Retry-After of refusals: 7, or date:7 as a date"
    ),
    "remember": Switch(one_of(*directives.REMEMBER), "how long a used taskUUID conflicts"),
    "retention": Switch(optional(seconds), "seconds until a finished task is unknown"),
    "expired": Switch(one_of(*directives.EXPIRED), "how a poll past the retention ends"),
    "unknown": Switch(
        one_of("empty", "taskNotFound", "taskFailedOrNotFound"), "how a poll for an unknown ends"
    ),
    "index": Switch(one_of(*directives.INDEX), "when items carry resultIndex"),
    "poll": Switch(Modes.parser("poll"), "how polls are answered"),
    "reply": Switch(Modes.parser("reply"), "what is strange in every answer"),
    "transfer": Switch(Modes.parser("transfer"), "how the bytes of every answer travel"),
    "error_status": Switch(
        optional(whole(200, 599)), "HTTP status of an answer that holds errors alone"
    ),
    "sync_limit": Switch(optional(seconds), "seconds a sync answer is held at most"),
    "sync_timeout": Switch(one_of(*directives.SYNC_TIMEOUT), "how a sync answer times out"),
    "sync_webhook": Switch(one_of(*directives.SYNC_WEBHOOK), "what sync with webhookURL gives"),
    "sync_status": Switch(flag, "items of a sync answer carry their status"),
    "stream": Switch(Modes.parser("stream"), "how streams go wrong"),
    "stream_ping": Switch(seconds, "seconds between the comments of a stream"),
    "webhook": Switch(Modes.parser("webhook"), "how webhooks are delivered"),
    "webhook_tries": Switch(whole(1), "tries before a webhook is given up"),
    "webhook_deadline": Switch(seconds, "seconds a receiver has to answer"),
    "directives": Switch(str, "directives of every task that does not say otherwise"),
    "balance": Switch(dollars, "dollars on the account at the start"),
    "balance_form": Switch(one_of("object", "number"), "how the balance is written"),
    "balance_enforced": Switch(flag, "answer 402 to submissions when the balance is spent"),
    "insufficient_credits": Switch(flag, "answer 402 to submissions"),
    "bill_failed": Switch(flag, "charge the prompt of failed results"),
    "dry_run": Switch(one_of("honoured", "ignored"), "what X-Runware-Dry-Run does"),
    "media_delay": Switch(seconds, 'seconds an upload is not ready: mediaUUID "1"'),
    "media_max": Switch(optional(whole(1)), "largest upload, in bytes"),
    "media_retention": Switch(optional(seconds), "seconds until an upload expires"),
    "media_fail": Switch(optional(code), "the error every upload ends in"),
    "media_check": Switch(one_of("off", "known", "strict"), "which UUIDs in inputs are refused"),
    "details_limit": Switch(whole(0), "bytes from which getTaskDetails cuts a text"),
    "details_errors": Switch(one_of("errors", "provider"), "how it writes a provider's failure"),
    "outage": Switch(optional(parsers.outage), "fail /v1: refuse, hang, html, garbage or a status"),
    "outage_scope": Switch(one_of("all", "submissions", "polls"), "requests the outage fails"),
    "outage_every": Switch(whole(1), "fail only every so many of these requests"),
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
        option = "--" + name.replace("_", "-")
        if switch.parse is flag:
            parser.add_argument(option, nargs="?", const="true", help=switch.meaning)
        else:
            parser.add_argument(option, help=switch.meaning)
    return parser


def environment() -> dict[str, str]:
    """Return the switches that the environment sets, as text."""
    variables = {name: f"SIMULATOR_{name.upper()}" for name in SWITCHES}
    return {name: os.environ[var] for name, var in variables.items() if var in os.environ}
