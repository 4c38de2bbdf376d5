"""The user's word: retry, cancel, pause, resume, priority; one typed function per script.

What concerns jobs takes at most a hundred at once, which the scripts handle together or not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.claims import SLOT_MARGIN, SUSPECT, ms
from tasks.connection import store_errors
from tasks.ids import attempt_uuid
from tasks.job import Record
from tasks.lua import Argument
from tasks.store import Store

PAGE = 100
"""Jobs that one script call touches at most."""
EVERYTHING = "*"
"""Stands for all batches, those to come among them."""


@dataclass(frozen=True)
class Cancelling:
    """How far the cancelling of a batch has come."""

    batch: str
    seen: int  # jobs looked at
    total: int
    sent: int  # jobs given up that the provider may be working on
    unsent: int  # jobs given up of which it has nothing
    over: bool


def retry(store: Store, secret: bytes, jobs: Sequence[Record]) -> list[str]:
    """Queue jobs that ended without all of their results again; per job what became of it.

    Args:
        store: Where they are.
        secret: That taskUUIDs are derived from.
        jobs: As they were read; one that has moved on since is left alone.

    Returns:
        'moved', 'completed' (all of it was here), 'cancelling' (its batch is) or 'stale'.
    """
    flat: list[str | int] = []
    for job in jobs:
        flat += [job.id, job.attempt, attempt_uuid(secret, job.id, job.attempt + 1)]
    return [word.decode() for word in store.scripts.run("retry", *flat)]


def resupply(
    store: Store, secret: bytes, supplied: Sequence[tuple[Record, str, bytes]]
) -> list[str]:
    """Give jobs whose files were uploaded afresh their new request, and retry them.

    Args:
        store: Where they are.
        secret: That taskUUIDs are derived from.
        supplied: Each job as it was read, the digest of its content, its input as it is stored.

    Returns:
        Per job as `retry` does.
    """
    # First, and answered: a job that were retried before it would send its old request. A stop in
    # between costs nothing, the same again finds the new request there and retries.
    flat = list[Argument]()
    for job, digest, blob in supplied:
        flat += [job.id, job.attempt, digest, blob]
    store.scripts.run("resupply", *flat)
    return retry(store, secret, [job for job, _, _ in supplied])


def unpark(store: Store, jobs: Sequence[Record]) -> list[str]:
    """Queue parked jobs again, under the taskUUIDs they have; returns words as `retry` does."""
    told = store.scripts.run("unpark", SUSPECT, *(job.id for job in jobs))
    return [word.decode() for word in told]


def cancel(store: Store, jobs: Sequence[Record]) -> list[str]:
    """Give jobs up; per job 'sent' (the provider may have it), 'unsent', 'ended' or 'unknown'."""
    told = store.scripts.run("cancel", ms(SLOT_MARGIN), *(job.id for job in jobs))
    return [word.decode() for word in told]


def cancel_batch(store: Store, batch: str) -> None:
    """Mark a batch as being cancelled: from now on nothing of it is sent. `cancel_pass` goes on."""
    store.scripts.run("cancel_batch", batch)


def cancel_pass(store: Store, batch: str = "") -> Cancelling | None:
    """Give up the next hundred jobs of `batch`, or of the batch that waits longest.

    Any number of processes may do this at once; none does what another has done.
    """
    name, *numbers = store.scripts.run("cancel_pass", batch, ms(SLOT_MARGIN))
    seen, total, sent, unsent, over = map(int, numbers)
    return Cancelling(name.decode(), seen, total, sent, unsent, bool(over)) if name else None


def hold(store: Store, batch: str, told: str) -> None:
    """Claim nothing from `batch`, or from EVERYTHING, until `resume`; `told` says why."""
    store.scripts.run("hold", batch, told)


def resume(store: Store, batch: str) -> bool:
    """End all pauses of `batch`, or that of EVERYTHING; returns whether there was one."""
    return bool(store.scripts.run("resume", batch))


def prioritize(store: Store, batch: str, priority: int) -> int:
    """Serve a batch `priority` times as often as one of priority 1; returns what it had."""
    return int(store.scripts.run("priority", batch, priority))


def at_provider(store: Store, tasks: Sequence[str]) -> list[bool]:
    """Return for each taskUUID whether the provider may have it yet: whether it holds a slot."""
    with store_errors():
        slots = store.client.zmscore(store.keys("slots"), list(tasks)) if tasks else []
    return [bound is not None for bound in slots]


def held(store: Store) -> str:
    """Return why everything is held by the user; empty where it is not."""
    with store_errors():
        return bytes(store.client.hget(store.keys("meta"), "held") or b"").decode()
