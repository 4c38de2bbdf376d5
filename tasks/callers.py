"""Jobs that came by Celery messages, and what their callers wait for."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from tasks import ids
from tasks.connection import store_errors
from tasks.store import Store

ANSWERED = "answered"
"""Stands in what is kept of messages once their links and chords have been served."""
WANTS = "wants"
"""Stands in what is kept of a message; tells it from others of its job that want other things."""
MOST = 16
"""Messages of one job that wait for its end."""
REMEMBERED = 32
"""Answered messages of one job that are known when they come again."""


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
        'added', 'known' (nothing is new), 'joined' (it is known, and tells this caller too when it
        ends), 'again' (it has ended, and its caller is told), 'differs' (a job of this id has other
        content), 'crowded' (too many wait for it), 'pruned' (one was removed) or 'cancelling' (the
        batch is).
    """
    wants = _wants(message)
    kept = json.dumps({WANTS: wants, **message}, separators=(",", ":"))
    told = store.scripts.run("call", batch, ids.new_batch_id(), priority, *call, kept, wants, MOST)
    return str(told.decode())


def _wants(message: Mapping[str, Any]) -> str:
    """Return a digest of what a message wants when its job is over; empty: only the result."""
    names = ("callbacks", "errbacks", "chain", "chord")
    wanted = {name: message[name] for name in names if message.get(name)}
    if "chord" in wanted:
        wanted |= {name: message.get(name) for name in ("group", "group_index")}
    return sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:16] if wanted else ""


def kept(store: Store, jobs: Sequence[str]) -> list[bytes | None]:
    """Return what is kept of the messages that jobs came by; None of one that came by none."""
    with store_errors():
        return list(store.client.mget([store.keys("caller", job) for job in jobs])) if jobs else []


def messages(blob: bytes) -> list[dict[str, Any]]:
    """Read what `kept` returned: one message a line, first those that were answered before."""
    return [json.loads(line) for line in blob.splitlines()]


def answered(store: Store, job: str, blob: bytes) -> bool:
    """Remember that links and chords of these messages were served: they are never served again.

    False where something else is kept by now.
    """
    served: list[str] = []
    for message in messages(blob):
        wants: Any = message.get(WANTS) or []
        served += wants if ANSWERED in message else [wants]
    last = list(filter(None, served))[-REMEMBERED:]
    remembered = json.dumps({ANSWERED: True, WANTS: last})  # call.lua knows how it begins
    return bool(store.scripts.run("answered", job, blob, remembered))
