"""How fast a batch's jobs end, how long the rest will take, what all will cost. Pure."""

from collections.abc import Mapping

from tasks.job import State
from tasks.progress import SLICE, Look
from tasks.reading import Batch

MINUTE = 60_000
"""Milliseconds over which the pace is taken where enough has ended in them."""
ENOUGH = 10
"""Endings from which on the last minute alone is believed."""
HALF_A_MINUTE = 30.0
SOON = 30_000
"""Milliseconds in which fewer endings than `ENOUGH` foretell nothing."""


def pace(slices: Mapping[int, int], now: int) -> float | None:
    """Return endings per second; None while unknown.

    That of the last minute; where fewer than `ENOUGH` ended in it, of as much of the ten minutes
    that are kept as holds so many.

    Args:
        slices: Endings by the start (ms) of their ten seconds.
        now: Milliseconds.
    """
    ended, oldest = 0, now
    for start in sorted(slices, reverse=True):
        if ended >= ENOUGH and start < now - MINUTE:
            # A wave that ended at once took as long as nothing ended before it.
            still = min(now - start - 1000 * SLICE, MINUTE)
            return ended / (max(now - oldest, still) / 1000)
        ended, oldest = ended + slices[start], start
    if not ended or (ended < ENOUGH and now - oldest < SOON):
        return None
    return ended / max(SLICE, (now - oldest) / 1000)


def seconds_left(look: Look) -> float | None:
    """Return how long the open jobs will take; None while unknown, stopped, or nothing runs.

    Parked jobs are not counted: they wait for the user.
    """
    batch, speed = look.batch, pace(look.slices, look.now)
    stopped = look.pause or batch.is_spent
    if speed is None or stopped or not look.works or not batch.sealed:
        return None
    return max(0, batch.open - batch.parked) / speed


def projected(batch: Batch) -> int | None:
    """Return about what all will have cost in nano-dollars; None while no cost is known.

    Open jobs are taken to cost as much as those that have ended; cancelled ones as nothing.
    """
    ended = batch.total - batch.open - batch.states[State.CANCELLED]
    spent = batch.cost - batch.begun
    if ended <= 0 or batch.cost == 0:
        return None
    return max(batch.cost, spent + spent * batch.open // ended)


def about(seconds: float) -> str:
    """Return a length of time that was guessed: `about 12 min`."""
    return f"about {roughly(seconds)}" if seconds >= HALF_A_MINUTE else "less than a minute"


def roughly(seconds: float) -> str:
    """Return a length of time as people say it: `12 min`, `3 h 20 min`, `2 days`."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "1 min" if seconds >= HALF_A_MINUTE else f"{max(0, round(seconds))} s"
    if minutes < 60:  # noqa: PLR2004  of an hour
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:  # noqa: PLR2004  from two days on nobody counts hours
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{round(hours / 24)} days"


def exactly(seconds: float) -> str:
    """Return a length of time that has passed: `41 s`, `2 min 11 s`, `3 h 20 min`."""
    whole = max(0, round(seconds))
    if whole < 60:  # noqa: PLR2004  of a minute
        return f"{whole} s"
    if whole < 3600:  # noqa: PLR2004  of an hour
        return f"{whole // 60} min {whole % 60} s"
    return roughly(whole)
