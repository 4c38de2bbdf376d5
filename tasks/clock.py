"""A clock for promises between processes: how long ago something was, sleep included."""

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux stops its monotonic clock while the computer sleeps; other systems let theirs go on."""


def passing() -> float:
    """Return seconds since some moment; they go on while the computer sleeps, as a store's do."""
    return time.clock_gettime(_CLOCK)
