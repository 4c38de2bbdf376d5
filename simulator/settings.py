"""The switches of the simulator and their values of the moment."""

import dataclasses
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from simulator import switches
from simulator.words import NO_MODES, Modes, Span

_DEFAULT_LATENCY = Span(2.0, 2.0)
_DEFAULT_BALANCE = Decimal(1_000)


@dataclass(frozen=True, slots=True)
class Settings:
    """All switches; `switches.SWITCHES` says what each means. A change makes a new value."""

    host: str = "127.0.0.1"
    port: int = 8999
    journal: str | None = None
    api_key: str | None = None
    reject_key: bool = False
    auth_item: bool = True
    max_body: int = 50_000_000
    max_tasks: int | None = None
    max_submissions: int | None = None
    unsupported: str = ""
    max_polls: int | None = None
    uuids: str = "v4"
    data_uris: str = "images"
    latency: Span = _DEFAULT_LATENCY
    capacity: int | None = None
    retry_after: str | None = None
    remember: str = "forever"
    retention: float | None = None
    expired: str = "as_unknown"
    unknown: str = "empty"
    index: str = "many"
    poll: Modes = NO_MODES
    reply: Modes = NO_MODES
    transfer: Modes = NO_MODES
    error_status: int | None = None
    sync_limit: float | None = 120.0
    sync_timeout: str = "html"
    sync_webhook: str = "ack"
    sync_status: bool = False
    stream: Modes = NO_MODES
    stream_ping: float = 5.0
    webhook: Modes = NO_MODES
    webhook_tries: int = 12
    webhook_deadline: float = 5.0
    directives: str = ""
    balance: Decimal = _DEFAULT_BALANCE
    balance_form: str = "object"
    balance_enforced: bool = False
    insufficient_credits: bool = False
    bill_failed: bool = False
    dry_run: str = "honoured"
    media_delay: float = 0.0
    media_max: int | None = None
    media_retention: float | None = None
    media_fail: str | None = None
    media_check: str = "known"
    details_limit: int = 2_000
    details_errors: str = "errors"
    outage: str | None = None
    outage_scope: str = "all"
    outage_every: int = 1

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
            ValueError: As `Settings.changed`, or the address was named, which is bound for good,
                or the journal.
        """
        for name in ("host", "port", "journal"):
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
