"""When a task is asked for again, and when time has decided about it. Pure."""

from tasks.backoff import next_poll
from tasks.claims import Due
from tasks.job import State
from tasks.settings import Settings

RARELY = 600.0
"""Seconds between polls of a task that nobody waits for any more."""
LOOKED_FOR = 1.0
"""Seconds after which a task is polled first where something is to be found out."""
ACCUSED = 2.0
"""Most seconds between polls of a task that a callback says has failed."""
AT_PROVIDER = frozenset({State.SUBMITTING, State.RESOLVING, State.PROCESSING})
"""States in which a poll can tell what becomes of the job."""


def wait(settings: Settings, sent: int, task: Due) -> float:
    """Return in how many seconds a task polled at `sent` (ms) is worth another poll."""
    job = task.job
    since = job.unclear_since or job.attempts[task.attempt - 1].submitted_at or sent
    first = LOOKED_FOR if job.unclear_since or job.accused else settings.first_poll
    most = ACCUSED if job.accused else settings.poll_max
    return next_poll((sent - since) / 1000, first, max(first, most))


def is_awaited(task: Due) -> bool:
    """Whether the job hangs on this task: not where it has ended, goes on, or waits to be sent."""
    return task.job.state in AT_PROVIDER and task.attempt == task.job.attempt


def past_deadline(settings: Settings, sent: int, task: Due) -> bool:
    """Whether this poll was sent after the deadline of a job that hangs on it.

    Only an answered poll gets here, so a deadline that passed while store, provider or computer
    were away decides nothing by itself.
    """
    submitted = task.job.attempts[task.attempt - 1].submitted_at
    late = submitted is not None and sent >= submitted + settings.deadline * 1000
    return late and is_awaited(task)


def certainly_absent(settings: Settings, sent: int, task: Due) -> bool:
    """Whether polls have answered empty for longer than a task plausibly takes (A1)."""
    lost = task.job.state is State.RESOLVING and not task.job.accused
    return lost and task.job.empties >= 1 and silent_for_long(settings, sent, task)


def lost_for_long(settings: Settings, sent: int, task: Due) -> bool:
    """Whether the attempt's POSTs have had no clear answer for as long as a job may take."""
    since = task.job.lost_since
    return since is not None and sent >= since + settings.deadline * 1000


def silent_for_long(settings: Settings, sent: int, task: Due) -> bool:
    """Whether polls have answered, and told nothing, for longer than a task plausibly takes."""
    since = task.job.unclear_since
    return since is not None and sent >= since + settings.resolve_after * 1000
