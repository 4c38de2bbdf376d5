"""What the steps work with."""

from dataclasses import dataclass, field
from random import Random

from structlog.typing import FilteringBoundLogger

from tasks import flow, timing, token
from tasks.provider import Provider
from tasks.settings import Settings
from tasks.store import Store


@dataclass(frozen=True)
class Context:
    """What the steps work with; each process builds one."""

    store: Store
    provider: Provider
    settings: Settings
    keyring: token.Keyring
    place: str  # index of our callback URL in the store; empty: no callbacks
    log: FilteringBoundLogger
    random: Random
    probe_after: float = flow.PROBE_AFTER  # seconds
    portion: flow.Portion = field(default_factory=flow.Portion)
    pace: timing.Pace = field(default_factory=timing.Pace)
