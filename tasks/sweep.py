"""The pass that finds stranded jobs. Two at once, or none for a minute, do no harm."""

from structlog.typing import FilteringBoundLogger

from tasks import pruning, verbs
from tasks.store import Store


def sweep(store: Store, log: FilteringBoundLogger, retention: float | None = None) -> int:
    """Deal with leases, not-before times, slots and pauses whose time has come; returns how many.

    A batch that is being cancelled counts as one: a hundred of its jobs are given up. With a
    retention (seconds) the oldest batch that is over for so long loses a hundred of its jobs.

    Raises:
        StoreAway: the next sweep does the same.
    """
    leases, delays, slots, pauses = store.sweep()
    gone = verbs.cancel_pass(store)
    pruned = pruning.pass_over(store, retention) if retention else 0
    if leases or slots or pauses or gone or pruned:
        told = {"batch": gone.batch} if gone else {}  # that is being cancelled
        counts = {"leases": leases, "delays": delays, "slots": slots, "pauses": pauses}
        log.info("sweep", **counts, pruned=pruned, **told)
    return leases + delays + slots + pauses + (gone is not None) + pruned
