"""The pass that finds stranded jobs. Two at once, or none for a minute, do no harm."""

from structlog.typing import FilteringBoundLogger

from tasks.store import Store


def sweep(store: Store, log: FilteringBoundLogger) -> int:
    """Deal with leases, not-before times, slots and pauses whose time has come; returns how many.

    Raises:
        StoreAway: the next sweep does the same.
    """
    leases, delays, slots, pauses = store.sweep()
    if leases or slots or pauses:
        log.info("sweep", leases=leases, delays=delays, slots=slots, pauses=pauses)
    return leases + delays + slots + pauses
