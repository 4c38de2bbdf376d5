"""Why a job waits, and what happens next, in a sentence."""

from tasks.job import Record, State
from tasks.reading import Batch, Event

_WAITS = {
    State.QUEUED: "It waits for a free slot at the provider; `reelqueue up` must be running.",
    State.SUBMITTING: "Its POST is on the way; without an answer it is looked for by poll.",
    State.RESOLVING: "Its POST had no clear answer. Polls look for it; if they stay empty it is "
    "sent again under the same taskUUID, so it is not bought twice.",
    State.PROCESSING: "The provider has it; its result comes by callback or by poll.",
}
_PARKED = (
    "PARKED: none of its POSTs had a clear answer and no poll finds it, so it is not sent again by "
    "itself. It is polled every ten minutes, and expires at its deadline. On your word it is sent "
    "again, under the same taskUUID: reelqueue retry --job ID"
)

_REFUSED = (
    "The provider refused it for now ({}), so it is not bought. It is sent again by itself, under "
    "the same taskUUID."
)
_PUT_BACK = "Its turn came, and it was not sent: {}. It is tried again by itself."


def stops(batch: Batch, paused: str) -> str:
    """Return what keeps the queued jobs of a batch from being sent; empty where nothing does.

    Args:
        batch: Theirs.
        paused: Why all, or the batch, is paused; empty where it is not.
    """
    if paused:
        return f"paused: {paused}"
    return "its --max-cost is reached" if batch.is_spent else ""


def waits_for(record: Record, stopped: str = "", last: Event | None = None) -> str | None:
    """Return what a job waits for; None where it has ended.

    Args:
        record: The job's.
        stopped: What `stops` its batch.
        last: The last move in its history.
    """
    if "parked" in record.flags and record.state is State.RESOLVING:
        return _PARKED
    if stopped and record.state is State.QUEUED:
        return f"It waits because nothing of its batch is sent: {stopped}."
    if record.state is State.QUEUED and last and last.what == "refuse" and last.detail:
        refused = _REFUSED if record.error_code else _PUT_BACK
        return refused.format(last.detail)
    return _WAITS.get(record.state)
