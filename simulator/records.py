"""What the ledger is made of."""

from collections import Counter
from dataclasses import dataclass, field

from simulator.outcomes import Purchase, Result


@dataclass(frozen=True, slots=True)
class Submission:
    """One arrival of a task, whatever became of it.

    Attributes:
        outcome: `accepted`, `dropped`, or the code it was refused with.
        sha256: Of the bytes of the task object.
        size: How many bytes they are.
        body: The bytes, or None when they are too many to keep.
        errors: What it was refused with.
    """

    outcome: str
    sha256: str
    size: int
    body: bytes | None
    errors: list[dict[str, object]] = field(default_factory=list)


@dataclass(frozen=True)
class Kept:
    """What a purchase is known by again after a restart, without reading its task.

    Attributes:
        task: The task object's text exactly as received.
        number: Of the purchase.
        accepted_at: In Unix seconds.
        cost_nano: Of all its results.
        callbacks: How many of its results have a webhook, at most.
    """

    task: str
    task_uuid: str
    fingerprint: str
    delivery: str
    number: int
    accepted_at: float
    code: str | None
    latency: float
    bill_failed: bool
    cost_nano: int
    callbacks: int


@dataclass(slots=True)
class TaskRecord:
    """All that is known of one taskUUID. Counts only grow."""

    task_uuid: str
    fingerprint: str | None = None
    submissions: list[Submission] = field(default_factory=list)
    purchases: list[Purchase] = field(default_factory=list)
    conflicts: int = 0
    refused: int = 0
    charged_nano: int = 0
    webhook_statuses: list[int | str] = field(default_factory=list)


@dataclass(slots=True)
class Totals:
    """Counts over all tasks since the start or the last reset. See the README."""

    posts: int = 0
    tasks: int = 0
    accepted: int = 0
    purchases: int = 0
    refused: int = 0
    conflicts: int = 0
    dropped: int = 0
    running: int = 0
    charged_nano: int = 0
    polls: int = 0
    polled_uuids: int = 0
    webhooks_sent: int = 0
    webhooks_acknowledged: int = 0
    webhooks_pending: int = 0


@dataclass(frozen=True, slots=True)
class Accepted:
    """A purchase, and where its deliveries are counted, which a reset does not redirect."""

    purchase: Purchase
    record: TaskRecord
    totals: Totals


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task is.

    Attributes:
        purchase: Its latest purchase.
        finished: The results that are finished.
        pending: The others.
        expired: All is finished for longer than the retention.
    """

    purchase: Purchase
    finished: list[Result]
    pending: list[Result]
    expired: bool


@dataclass(slots=True)
class Counts:
    """Counts that the totals do not hold: they are told beside them, and feed the account.

    Attributes:
        uses: Of what is no asynchronous submission: uploads, streams, dry runs, ….
        failures: Refusals and failed results, by code.
        finished: Purchases whose results are all finished.
        seconds: How long those took, all together.
    """

    uses: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    finished: int = 0
    seconds: float = 0.0
