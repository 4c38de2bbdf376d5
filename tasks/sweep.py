"""The pass that finds stranded jobs. Two at once, or none for a minute, do no harm."""

from structlog.typing import FilteringBoundLogger

from tasks import verbs
from tasks.store import Store


def sweep(store: Store, log: FilteringBoundLogger) -> int:
    """Deal with leases, not-before times, slots and pauses whose time has come; returns how many.

    A batch that is being cancelled counts as one: a hundred of its jobs are given up.

    Raises:
        StoreAway: the next sweep does the same.
    """
    leases, delays, slots, pauses = store.sweep()
    gone = verbs.cancel_pass(store)
    if leases or slots or pauses or gone:
        cancelling = gone.batch if gone else ""
        log.info(
            "sweep", leases=leases, delays=delays, slots=slots, pauses=pauses, cancelling=cancelling
        )
    return leases + delays + slots + pauses + (gone is not None)
