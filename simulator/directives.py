"""What a single task may ask of the simulator: `[[sim: key=value key=value]]` in a user message."""

import contextlib
import re
from dataclasses import dataclass
from functools import lru_cache

from simulator import parsers
from simulator.parsers import Parse
from simulator.words import NO_MODES, Counted, Modes, Span

_BLOCK = re.compile(r"\[\[sim:(.*?)\]\]", re.DOTALL)
# A slip of the keyboard must not ask for all memory.
_MOST_CHARACTERS = 50_000_000

INDEX = ("never", "many", "always")
REMEMBER = ("forever", "running", "never")
EXPIRED = ("as_unknown", "taskExpired")
SYNC_TIMEOUT = ("html", "error", "close")
SYNC_WEBHOOK = ("ack", "result")


@dataclass(frozen=True, slots=True)
class Directives:
    """The directives of one task; None and False where it asked for nothing. See the README."""

    latency: Span | None = None
    fail: Counted | None = None
    errors: int | None = None
    one_error: bool = False
    refuse: Counted | None = None
    status: int | None = None
    ack: Modes = NO_MODES
    drop: Counted | None = None
    webhook: Modes | None = None
    poll: Modes | None = None
    reply: Modes | None = None
    transfer: Modes | None = None
    stream: Modes | None = None
    stream_ping: float | None = None
    sync_limit: float | None = None
    sync_timeout: str | None = None
    sync_webhook: str | None = None
    sync_status: bool | None = None
    identical: bool = False
    index: str | None = None
    text: str | None = None
    finish: str | None = None
    thoughts: str | None = None
    huge: int | None = None
    unknown_field: bool = False
    remember: str | None = None
    retention: float | None = None
    expired: str | None = None
    retry_after: str | None = None
    bill_failed: bool | None = None


def _length(text: str) -> int:
    return min(max(int(text), 0), _MOST_CHARACTERS)


def _yes(_text: str) -> bool:
    return True


def _yes_or(parse: Parse, yes: object) -> Parse:
    """Return the parser of a directive that may stand alone, `index`, or say `index=never`."""
    return lambda text: parse(text) if text else yes


PARSERS: dict[str, Parse] = {
    "latency": Span.parse,
    "fail": Counted.parse,
    "errors": _length,
    "one_error": _yes,
    "refuse": Counted.parse,
    "status": parsers.status,
    "ack": Modes.parser("ack"),
    "drop": Counted.parse,
    "webhook": Modes.parser("webhook"),
    "poll": Modes.parser("poll"),
    "reply": Modes.parser("reply"),
    "transfer": Modes.parser("transfer"),
    "stream": Modes.parser("stream"),
    "stream_ping": parsers.seconds,
    "sync_limit": parsers.seconds,
    "sync_timeout": parsers.one_of(*SYNC_TIMEOUT),
    "sync_webhook": parsers.one_of(*SYNC_WEBHOOK),
    "sync_status": _yes_or(parsers.flag, yes=True),
    "identical": _yes,
    "index": _yes_or(parsers.one_of(*INDEX), "always"),
    "text": parsers.one_of("hostile", "empty"),
    "finish": str,
    "thoughts": parsers.one_of("none", "signature", "string"),
    "huge": _length,
    "unknown_field": _yes,
    "remember": parsers.one_of(*REMEMBER),
    "retention": parsers.seconds,
    "expired": parsers.one_of(*EXPIRED),
    "retry_after": parsers.retry_after,
    "bill_failed": _yes_or(parsers.flag, yes=True),
}


def find(messages: list[dict[str, object]]) -> str:
    """Return the words of all directive blocks in the user's messages, in order."""
    contents = [str(m.get("content")) for m in messages if m.get("role") == "user"]
    return " ".join(block for content in contents for block in _BLOCK.findall(content))


@lru_cache(maxsize=4096)
def parse(words: str) -> Directives:
    """Read `key=value key …` leniently: what is not understood is passed over, the last wins."""
    known: dict[str, object] = {}
    for word in words.split():
        key, _, value = word.partition("=")
        if key in PARSERS:
            with contextlib.suppress(ValueError):
                known[key] = PARSERS[key](value)
    return Directives(**known)  # type: ignore[arg-type] # each parser gives its field's type
