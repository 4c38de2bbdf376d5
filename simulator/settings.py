"""The switches of the simulator and their values of the moment."""

import dataclasses
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from simulator import switches
from simulator.directives import Modes, Span

_DEFAULT_LATENCY = Span(2.0, 2.0)
_NO_MODES = Modes()


@dataclass(frozen=True, slots=True)
class Settings:
    """All switches; `switches.SWITCHES` says what each means. A change makes a new value."""

    host: str = "127.0.0.1"
    port: int = 8999
    api_key: str | None = None
    max_body: int = 50_000_000
    latency: Span = _DEFAULT_LATENCY
    remember: str = "forever"
    unknown: str = "empty"
    poll: Modes = _NO_MODES
    webhook: Modes = _NO_MODES
    webhook_tries: int = 12
    error_status: int | None = None
    directives: str = ""
    capacity: int | None = None
    max_tasks: int | None = None
    retention: float | None = None
    bill_failed: bool = False
    reject_key: bool = False
    insufficient_credits: bool = False
    outage: str | None = None

    def changed(self, values: Mapping[str, object]) -> "Settings":
        """Return these settings with some replaced.

        Args:
            values: Setting names and values as JSON, the command line or the environment gives
                them; null and "" mean "not set" where a switch can be unset.

        Raises:
            ValueError: A name is unknown or a value is not one the switch takes.
        """
        # The table of switches has exactly these fields, each with the parser of its type.
        parsed = {name: switches.parse(name, value) for name, value in values.items()}
        return dataclasses.replace(self, **parsed)

    def public(self) -> dict[str, object]:
        """Return every switch as JSON, the key masked."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        shown = {name: _as_json(value) for name, value in values.items()}
        shown["api_key"] = None if self.api_key is None else "set"
        return shown


def _as_json(value: object) -> object:
    plain = value is None or isinstance(value, bool | int | float | str)
    return value if plain else str(value)


class Switchboard:
    """Holds the current settings; readers take `current` once per request."""

    def __init__(self, settings: Settings) -> None:
        self.current = settings
        self._lock = threading.Lock()

    def change(self, values: Mapping[str, object]) -> None:
        """Replace some settings while the simulator runs.

        Raises:
            ValueError: As `Settings.changed`, or the address was named, which is bound for good.
        """
        for name in ("host", "port"):
            if name in values:
                raise ValueError(f"{name}: cannot change while running")
        with self._lock:
            self.current = self.current.changed(values)


def from_command_line(argv: list[str]) -> Settings:
    """Read the flags, and for those not given the environment."""
    parser = switches.command_line()
    given = {name: text for name, text in vars(parser.parse_args(argv)).items() if text is not None}
    try:
        return Settings().changed(switches.environment() | given)
    except ValueError as exc:
        parser.error(str(exc))
