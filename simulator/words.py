"""The forms in which switches and directives write their values: spans, modes, counted words."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

# The modes a switch takes; the second set holds those with a number after a colon.
MODES: dict[str, tuple[set[str], set[str]]] = {
    "webhook": (
        {"off", "wrapped", "list", "both", "nostatus", "nested", "fields", "reverse", "processing"},
        {"dup", "delay", "jitter", "again", "skip", "tries"},
    ),
    "poll": (
        {"empty", "forever_empty", "nostatus", "nested", "flat", "getResponse"}
        | {"pending", "progress", "each", "partial_text"},
        set(),
    ),
    "ack": ({"lost", "unnamed", "final", "processing", "500"}, {"late", "html"}),
    "reply": (
        {"shuffled", "duplicate", "foreign", "foreign_data", "nameless"}
        | {"empty_errors", "no_data", "parameter_list", "details"},
        set(),
    ),
    "transfer": ({"gzip", "chunked", "cut"}, {"slow", "slow_headers"}),
    "stream": ({"undone", "cut", "reset", "wrapped", "json", "plural", "unkept"}, set()),
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
    """Modes of one switch, `dup:3,wrapped`: each mode's name, with its number if it takes one."""

    chosen: Mapping[str, float | None] = field(default_factory=dict)

    @staticmethod
    def parser(switch: str) -> "Callable[[str], Modes]":
        """Return the strict parser of a switch's modes; it raises ValueError."""
        plain, with_argument = MODES[switch]

        def parse(text: str) -> Modes:
            chosen = {}
            for word in filter(None, text.split(",")):
                name, colon, argument = word.partition(":")
                if name not in (with_argument if colon else plain):
                    known = sorted(plain) + [f"{name}:N" for name in sorted(with_argument)]
                    raise ValueError(f"expected some of {', '.join(known)}, not {word!r}")
                chosen[name] = Span.parse(argument).low if colon else None
            return Modes(chosen)

        return parse

    def __contains__(self, name: str) -> bool:
        return name in self.chosen

    def argument(self, name: str, default: float) -> float:
        """Return the number after the colon of a mode, or the default if it has none."""
        number = self.chosen.get(name)
        return default if number is None else number

    def __or__(self, other: "Modes") -> "Modes":
        return Modes({**self.chosen, **other.chosen})

    def __str__(self) -> str:
        shown = self.chosen.items()
        return ",".join(name if number is None else f"{name}:{number:g}" for name, number in shown)


NO_MODES = Modes()


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
