"""Jobs that came by Celery messages, and what their callers wait for."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tasks import ids
from tasks.lua import store_errors
from tasks.store import Store

ANSWERED = "answered"
"""Stands in what is kept of a message once its links and its chord have been served."""


class Call(NamedTuple):
    """A job to be recorded for a Celery message, in the order in which call.lua reads it."""

    shared_digest: str
    shared: bytes
    job: str
    expected: int
    digest: str
    reservation: int  # nano-dollars
    input: bytes
    celery_id: str


def record_call(
    store: Store, batch: str, priority: int, call: Call, message: Mapping[str, Any]
) -> str:
    """Record a job in the batch of this name; the same message twice is one job.

    Args:
        store: Where.
        batch: Name of the batch, which is created with `priority` where there is none.
        priority: Weight of that batch.
        call: The job.
        message: What is kept of the message until its caller has been answered; JSON.

    Returns:
        'added', 'known', 'again' (it is known, and its caller is told again), 'differs' (a job of
        this id has other content), 'pruned' (one was removed) or 'cancelling' (the batch is).
    """
    answered_so = _answered(message.get("group"))
    kept = json.dumps(dict(message), separators=(",", ":"))
    told = store.scripts.run("call", batch, ids.new_batch_id(), priority, *call, kept, answered_so)
    return str(told.decode())


def messages(store: Store, jobs: Sequence[str]) -> list[dict[str, Any] | None]:
    """Return what is kept of the messages that jobs came by; None of one that came by none."""
    with store_errors():
        kept = store.client.mget([store.keys("caller", job) for job in jobs]) if jobs else []
    return [json.loads(blob) if blob else None for blob in kept]


def answered(store: Store, job: str, group: str | None) -> None:
    """Remember that a caller's links and chord were served: they are never served again."""
    with store_errors():
        store.client.set(store.keys("caller", job), _answered(group), xx=True)


def _answered(group: str | None) -> str:
    """Return what is kept of a message that was answered; call.lua knows how it begins."""
    return json.dumps({ANSWERED: True} | ({"group": group} if group else {}))
