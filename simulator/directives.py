"""What a single task may ask of the simulator: `[[sim: key=value key=value]]` in a user message."""

import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

_BLOCK = re.compile(r"\[\[sim:(.*?)\]\]", re.DOTALL)

# The modes a switch takes; the second list holds those with an argument after a colon.
_MODES: dict[str, tuple[set[str], set[str]]] = {
    "webhook": ({"off", "wrapped", "list", "nostatus"}, {"dup", "delay"}),
    "poll": ({"empty", "nostatus", "nested", "flat", "forever_empty", "getResponse"}, set()),
    "ack": ({"lost", "unnamed", "final", "500"}, {"late"}),
}


@dataclass(frozen=True, slots=True)
class Span:
    """A span of seconds, `low` to `high`; equal for a fixed time."""

    low: float
    high: float

    @classmethod
    def parse(cls, text: str) -> "Span":
        """Read `2` or `1.0-3.0`.

        Raises:
            ValueError: It is neither, or not an ascending span.
        """
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?", text)
        if not found:
            raise ValueError(f"expected seconds like 2 or 1.0-3.0, not {text!r}")
        low, high = float(found[1]), float(found[2] or found[1])
        if high < low:
            raise ValueError(f"{text!r} ends before it begins")
        return cls(low, high)

    def at(self, share: float) -> float:
        """Return the seconds at a share (0 to 1) of the span."""
        return self.low + (self.high - self.low) * share

    def __str__(self) -> str:
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g}-{self.high:g}"


@dataclass(frozen=True, slots=True)
class Modes:
    """Modes of one switch, `dup:3,wrapped`: each mode's name with its argument (0 if none)."""

    chosen: Mapping[str, float] = field(default_factory=dict)

    @staticmethod
    def parser(switch: str) -> "Callable[[str], Modes]":
        """Return the strict parser of a switch's modes; it raises ValueError."""
        plain, with_argument = _MODES[switch]

        def parse(text: str) -> Modes:
            chosen = {}
            for word in filter(None, text.split(",")):
                name, colon, argument = word.partition(":")
                if name not in (with_argument if colon else plain):
                    known = ", ".join(sorted(plain) + [f"{name}:N" for name in with_argument])
                    raise ValueError(f"expected some of {known}, not {word!r}")
                chosen[name] = Span.parse(argument).low if colon else 0.0
            return Modes(chosen)

        return parse

    def __contains__(self, name: str) -> bool:
        return name in self.chosen

    def argument(self, name: str, default: float) -> float:
        """Return the number after the colon of a mode, or the default if it is not chosen."""
        return self.chosen.get(name, default)

    def __str__(self) -> str:
        return ",".join(
            f"{name}:{value:g}" if value else name for name, value in self.chosen.items()
        )


@dataclass(frozen=True, slots=True)
class Counted:
    """A word with an optional limit, `timeoutProvider*2`: how many times it applies."""

    word: str
    times: int | None

    @classmethod
    def parse(cls, text: str) -> "Counted":
        """Read `CODE` or `CODE*N`.

        Raises:
            ValueError: There is no word.
        """
        found = re.fullmatch(r"(\w{1,64})(?:\*(\d{1,9}))?", text)
        if not found:
            raise ValueError(f"expected WORD or WORD*N, not {text!r}")
        return cls(found[1], int(found[2]) if found[2] else None)

    def applies(self, earlier: int) -> bool:
        """Say whether it still applies after it has applied so many times."""
        return self.times is None or earlier < self.times


@dataclass(frozen=True, slots=True)
class Directives:
    """The directives of one task; None and False where it asked for nothing. See the README."""

    latency: Span | None = None
    fail: Counted | None = None
    errors: int | None = None
    one_error: bool = False
    refuse: Counted | None = None
    status: int | None = None
    ack: Modes = field(default_factory=Modes)
    drop: Counted | None = None
    webhook: Modes | None = None
    poll: Modes | None = None
    identical: bool = False
    index: bool = False
    text: str | None = None
    finish: str | None = None
    huge: int | None = None
    unknown_field: bool = False


def _status(text: str) -> int:
    if not re.fullmatch(r"[2-5]\d\d", text):
        raise ValueError(f"there is no final HTTP status {text!r}")
    return int(text)


def _length(text: str) -> int:
    """Read a whole number; a slip of the keyboard must not ask for all memory."""
    return min(max(int(text), 0), 50_000_000)


_PARSERS: dict[str, Callable[[str], object]] = {
    "latency": Span.parse,
    "fail": Counted.parse,
    "errors": _length,
    "one_error": lambda _: True,
    "refuse": Counted.parse,
    "status": _status,
    "ack": Modes.parser("ack"),
    "drop": Counted.parse,
    "webhook": Modes.parser("webhook"),
    "poll": Modes.parser("poll"),
    "identical": lambda _: True,
    "index": lambda _: True,
    "text": str,
    "finish": str,
    "huge": _length,
    "unknown_field": lambda _: True,
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
        if key in _PARSERS:
            with contextlib.suppress(ValueError):
                known[key] = _PARSERS[key](value)
    return Directives(**known)  # type: ignore[arg-type] # each parser gives its field's type
