"""What the steps work with."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from time import monotonic

from structlog.typing import FilteringBoundLogger

from tasks import flow, timing, token
from tasks.claims import Claimed, Due
from tasks.errors import Road
from tasks.outages import Outages
from tasks.provider import Provider
from tasks.response import Answer
from tasks.settings import Settings
from tasks.store import Store
from tasks.tally import Tally
from tasks.wire.answer import Kind


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
    doubts: flow.Doubts = field(default_factory=flow.Doubts)
    unanswered: flow.Unanswered = field(default_factory=flow.Unanswered)
    setbacks: flow.Setbacks = field(default_factory=flow.Setbacks)
    witness: flow.Witness = field(default_factory=flow.Witness)
    outages: Outages = field(default_factory=Outages)
    pace: timing.Pace = field(default_factory=timing.Pace)
    tally: Tally = field(default_factory=Tally)

    def poll(self, task_uuids: Sequence[str]) -> Answer:
        """Ask for the state of tasks, measured.

        Raises:
            ProviderAway: nothing was learned.
        """
        return self._measured(Road.POLL, partial(self.provider.poll, task_uuids))

    def submit(self, tasks: Sequence[bytes], send_by: float) -> Answer:
        """Send tasks, measured; see Provider.submit.

        Raises:
            ProviderAway: `sent` is false only where the request cannot have reached the provider.
        """
        return self._measured(Road.SUBMIT, partial(self.provider.submit, tasks, send_by))

    def tell(self, event: str, task: Claimed | Due, code: str) -> None:
        """Log what goes otherwise than well with one task."""
        job = task.job if isinstance(task, Due) else task
        self.log.warning(event, job=job.id, task=task.task_uuid, batch=job.batch, code=code)

    def _measured(self, road: Road, ask: Callable[[], Answer]) -> Answer:
        """Speak to the provider, and count how long it took and which errors it told."""
        begun, status = monotonic(), None
        try:
            answer = ask()
            status = answer.status
        finally:
            self.tally.answer(road, monotonic() - begun, status)
        self.tally.errors(item.code for item in answer.items if item.kind is Kind.ERROR)
        return answer


def batches_of(tasks: Iterable[Claimed | Due]) -> str:
    """Return the batches of tasks that were sent or asked for together, as a log line has them."""
    return ",".join(
        sorted({task.job.batch if isinstance(task, Due) else task.batch for task in tasks})
    )
