"""When a task is asked for again, and when time has decided about it. Pure."""

from tasks.backoff import next_poll
from tasks.claims import Due
from tasks.job import ENDED, State
from tasks.settings import Settings

RARELY = 600.0
"""Seconds between polls of a task that nobody waits for any more."""
LOOKED_FOR = 1.0
"""Seconds after which a task is polled first where something is to be found out."""
ACCUSED = 2.0
"""Most seconds between polls of a task that a callback says has failed."""
AT_PROVIDER = frozenset({State.SUBMITTING, State.RESOLVING, State.PROCESSING})
"""States in which a poll can tell what becomes of the job."""


class Pace:
    """How long tasks take here, learned from what polls find.

    Callbacks tell of results as they come, so where they are asked for nothing is learned.
    """

    def __init__(self) -> None:
        self._usual: float | None = None

    def saw(self, age: float, *, done: bool, is_first: bool) -> None:
        """Learn that a poll of a task, its first or another, found it at that age (s) done or not.

        The age at which a result is found says little of when it was there: polls may be late. So
        what is learned is when `USUAL` of the tasks are done, and only from first polls about then.
        """
        if self._usual is None:
            self._usual = age if done else None
        elif is_first and self._usual / ABOUT <= age <= self._usual * ABOUT:
            self._usual *= 1 - SHIFT * (1 - USUAL) if done else 1 + SHIFT * USUAL

    def wait(self, age: float, first: float, most: float) -> float:
        """Return in how many seconds a task of that age is worth a poll, the first one or another.

        Nothing learned: next_poll. Else when most are done; then for as long again as it is
        overdue, at least a sixteenth of the usual time, at most a quarter of its age. Not below
        `first`, or `SOON` where that is sooner.
        """
        if self._usual is None:
            return next_poll(age, first, most)
        overdue = age - self._usual
        until = -overdue if overdue < 0 else min(max(overdue, self._usual / 16), age / 4)
        return max(min(first, SOON), min(most, until))


USUAL = 0.6
"""Share of tasks that are done when they are first asked for, once their pace is known."""
SHIFT = 0.05
"""How far one observation moves what is known of the pace: some hundred follow any change."""
ABOUT = 1.25
"""How far from the usual age a poll may be to tell something of it."""
SOON = 0.25
"""Least seconds until a poll of a task whose pace is known."""


def wait(settings: Settings, sent: int, task: Due, pace: Pace) -> float:
    """Return in how many seconds a task polled at `sent` (ms) is worth another poll."""
    job = task.job
    since = job.unclear_since or job.attempts[task.attempt - 1].submitted_at or sent
    age = (sent - since) / 1000
    if job.unclear_since or job.accused:  # the usual pace is not that of what is looked for
        most = ACCUSED if job.accused else settings.poll_max
        return next_poll(age, LOOKED_FOR, max(LOOKED_FOR, most))
    return pace.wait(age, settings.first_poll, max(settings.first_poll, settings.poll_max))


def learn(pace: Pace, settings: Settings, sent: int, task: Due, *, done: bool) -> None:
    """Learn from what a poll sent at `sent` (ms) found of a task, done or not."""
    submitted = task.job.attempts[task.attempt - 1].submitted_at
    is_clear = is_awaited(task) and not task.job.unclear_since
    if submitted and is_clear and not settings.callback_url:
        pace.saw((sent - submitted) / 1000, done=done, is_first=not task.job.polled)


def until_over(settings: Settings, sent: int, task: Due, pace: Pace) -> float:
    """Return in how many seconds to ask again for a task that its job no longer hangs on.

    Until its time is over it runs as any other, and holds a slot that others may be waiting for.
    """
    job = task.job
    submitted = job.attempts[task.attempt - 1].submitted_at or 0
    is_left = job.state in ENDED or task.attempt != job.attempt
    runs = is_left and sent < submitted + settings.deadline * 1000
    return wait(settings, sent, task, pace) if runs else RARELY


def again_in(settings: Settings, sent: int, task: Due, pace: Pace) -> float:
    """Return in how many seconds a task that has more to tell is asked for again."""
    ended = task.job.state in ENDED
    return (until_over if ended else wait)(settings, sent, task, pace)


def needs_no_slot(settings: Settings, sent: int, task: Due) -> bool:
    """Whether a task that the user gave up was silent for as long as one that is sent again."""
    job = task.job
    gone = job.state is State.CANCELLED and task.attempt == job.attempt and job.empties >= 1
    return gone and silent_for_long(settings, sent, task)


def is_awaited(task: Due) -> bool:
    """Whether the job hangs on this task: not where it has ended, goes on, or waits to be sent."""
    return task.job.state in AT_PROVIDER and task.attempt == task.job.attempt


def past_deadline(settings: Settings, sent: int, task: Due) -> bool:
    """Whether this poll was sent after the deadline of a job that hangs on it.

    Only an answered poll gets here, so a deadline that passed while store, provider or computer
    were away decides nothing by itself. It counts anew from when a POST was known to be lost: of a
    claim that an outage met nothing may have been sent, so it is looked for, and sent again.
    """
    submitted = task.job.attempts[task.attempt - 1].submitted_at
    since = max(submitted or 0, task.job.lost_since or 0)
    late = submitted is not None and sent >= since + settings.deadline * 1000
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
