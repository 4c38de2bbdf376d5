"""When a task is asked for again, and when time has decided about it."""

from math import ceil, floor, log2
from time import time

from tasks.backoff import next_poll
from tasks.claims import Claimed, Due
from tasks.job import AT_PROVIDER, ENDED, Record, State
from tasks.outages import Outages, gap, slowest_pace
from tasks.settings import Settings
from tasks.verdict_poll import Seen

RARELY = 600.0
"""Seconds between polls of a task that nobody waits for any more."""
LOOKED_FOR = 1.0
"""Seconds after which a task is polled first where something is to be found out."""
ACCUSED = 2.0
"""Most seconds between polls of a task that a callback says has failed."""
ACCUSED_EMPTIES = 3
"""Silent polls in a row after which an error that a callback brought is believed."""


class Pace:
    """How long tasks take here, learned from results that polls found.

    A poll says only that a task was over by then. So one task in eight is a scout, asked for early:
    only what scouts find shows that tasks are over sooner than they are asked for. What others
    lacked at their first poll shows that they take longer.

    Callbacks tell of results as they come, so where they are asked for nothing is learned.
    """

    def __init__(self) -> None:
        self._usual: float | None = None
        self._first_ones = 0

    def saw(self, seconds: float, *, took: bool) -> None:
        """Learn that a poll found a result.

        Args:
            seconds: From its task's submission to the poll.
            took: Whether the task took about so long, for an earlier poll, at the usual time, had
                found it running; else only that it took no longer is known.
        """
        usual = self._usual
        if usual is None:
            self._usual = seconds
        elif seconds < usual * (1 - NEAR):
            self._usual = max(seconds, usual * SOONER)
        elif seconds > usual * (1 + NEAR) and took:
            self._usual = max(usual, min(seconds * (1 - NEAR), usual * LATER))

    def wait(self, age: float, first: float, most: float, task_uuid: str = "") -> float:
        """Return in how many seconds a task of that age is worth a poll, the first one or another.

        Nothing learned: next_poll, and where many wait longer at first, but for scouts. Else when
        most are done; then for as long again as it is overdue, at least a sixteenth of the usual
        time, at most a quarter of its age. Not below `first`, or `SOON` where that is sooner.
        """
        if self._usual is None:
            self._first_ones += age == 0
            patient = age == 0 and self._first_ones > FIRST_ONES and not is_scout(task_uuid)
            return next_poll(age, first * (PATIENCE if patient else 1), most)
        overdue = age - self._usual * head_start(task_uuid)
        until = -overdue if overdue < 0 else min(max(overdue, self._usual / 16), age / 4)
        return max(min(first, SOON), min(most, until))


NEAR = 0.1
"""Share by which a time may differ from the usual one and say nothing new."""
SOONER, LATER = 0.8, 1.05
"""How far one result moves the usual time. What is too long costs every task; what is too short
costs some a poll."""
FIRST_ONES, PATIENCE = 16, 2.0
"""While nothing is known: tasks asked for early (scouts always are), and a factor for others."""
SOON = 0.25
"""Least seconds until a poll of a task whose pace is known."""


def in_step(now: float, wait: float) -> float:
    """Return a wait up to a sixteenth longer, that ends when others do: together they are one poll.

    Args:
        now: Seconds of any clock that pollers share.
        wait: Seconds, above 0.
    """
    step = 2.0 ** floor(log2(wait / 16))
    return ceil((now + wait) / step) * step - now


def is_scout(task_uuid: str) -> bool:
    """Whether a task is one of those that are asked for early."""
    return task_uuid[-1:] in {"0", "8"}


def head_start(task_uuid: str) -> float:
    """Return after which share of the usual time a task is first asked for; scouts are spread."""
    return 0.5 + int(task_uuid[-3:-1], 16) / 512 if is_scout(task_uuid) else 1.0


def wait(settings: Settings, sent: int, task: Due, pace: Pace) -> float:
    """Return in how many seconds a task polled at `sent` (ms) is worth another poll."""
    job = task.job
    since = job.unclear_since or job.attempts[task.attempt - 1].submitted_at or sent
    age = (sent - since) / 1000
    if job.unclear_since or job.accused:  # the usual pace is not that of what is looked for
        most = ACCUSED if job.accused else settings.poll_max
        return next_poll(age, LOOKED_FOR, max(LOOKED_FOR, most))
    return pace.wait(age, settings.first_poll, max(settings.first_poll, settings.poll_max))


def first_poll(settings: Settings, job: Claimed, pace: Pace) -> float:
    """Return in how many seconds a task that was just taken is worth its first poll."""
    return in_step(time(), pace.wait(0.0, settings.first_poll, settings.poll_max, job.task_uuid))


def learn(pace: Pace, settings: Settings, sent: int, task: Due) -> None:
    """Learn from a result that a poll sent at `sent` (ms) found."""
    submitted = task.job.attempts[task.attempt - 1].submitted_at
    if submitted and is_awaited(task) and not settings.callback_url:
        seconds = (sent - submitted) / 1000
        is_late = task.late > NEAR * seconds  # a poller with too much to do makes no task slow
        took = task.job.polled and not is_late and not is_scout(task.task_uuid)
        pace.saw(seconds, took=took)


def until_over(
    settings: Settings, sent: int, task: Due, pace: Pace, *, silent: bool = False
) -> float:
    """Return in how many seconds to ask again for a task that its job no longer hangs on.

    Until its time is over it runs as any other, and holds a slot that others may be waiting for; so
    where nothing is told of it, it is asked for once more soon.
    """
    job = task.job
    submitted = job.attempts[task.attempt - 1].submitted_at or 0
    is_left = job.state in ENDED or task.attempt != job.attempt
    if is_left and sent < submitted + settings.deadline * 1000:
        return wait(settings, sent, task, pace)
    return after_deadline(settings) if silent and job.empties == 0 else RARELY


def after_deadline(settings: Settings) -> float:
    """Return in how many seconds to ask again for a task that was given up at its deadline.

    Silence of it is to be seen soon: others wait for its slot.
    """
    return min(RARELY, settings.resolve_after)


def again_in(settings: Settings, sent: int, task: Due, pace: Pace) -> float:
    """Return in how many seconds a task that has more to tell is asked for again."""
    ended = task.job.state in ENDED
    return (until_over if ended else wait)(settings, sent, task, pace)


def needs_no_slot(settings: Settings, sent: int, task: Due) -> bool:
    """Whether a task that no job depends on was silent for as long as a lost one before its resend.

    The user gave it up, its deadline passed, or another POST of it was rejected after one without a
    clear answer. It is looked for until its bound all the same.
    """
    job = task.job
    if task.attempt < job.attempt:  # and asked for again since
        since = job.attempts[task.attempt - 1].unclear_since
        return since is not None and sent >= since + settings.resolve_after * 1000
    return job.state in ENDED and job.empties >= 1 and silent_for_long(settings, sent, task)


def seen(settings: Settings, sent: int, job: Record) -> Seen:
    """Return what earlier polls told of a job, and for how long it stands by one sent at `sent`."""
    seconds = (sent - job.sighted_since) / 1000 if job.sighted_since else 0.0
    return Seen(job.signature, job.sightings, seconds, settings.resolve_after)


def is_awaited(task: Due) -> bool:
    """Whether the job depends on this task: it has not ended, moved on, or gone back to wait."""
    return task.job.state in AT_PROVIDER and task.attempt == task.job.attempt


def past_deadline(settings: Settings, outages: Outages | None, sent: int, task: Due) -> bool:
    """Whether this poll was sent after the deadline of a job that hangs on it.

    Time in which no poll was answered does not count (unless no `outages` are given): store,
    provider or computer were away. It counts anew from the first answered poll after a POST
    was lost: what an outage met may never have been sent, so it is looked for, and sent again.
    """
    submitted = task.job.attempts[task.attempt - 1].submitted_at
    if submitted is None or not is_awaited(task):
        return False
    since = max(submitted, task.job.lost_since or 0)
    usual = RARELY if "parked" in task.job.flags else slowest_pace(settings)
    silent = outages.between(since, sent, gap(usual)) if outages else 0
    return sent - since - silent >= settings.deadline * 1000


def is_first_silence(task: Due) -> bool:
    """Whether this is the first answer since a POST was lost; until then time does not count."""
    return task.job.state is State.RESOLVING and task.job.empties == 0


def certainly_absent(settings: Settings, outages: Outages, sent: int, task: Due) -> bool:
    """Whether polls have answered empty for longer than a task plausibly takes.

    A poll is taken to show every accepted task that has ended. This comes before the deadline,
    which only an outage lets pass meanwhile; but a parked task waits no longer than that.
    """
    job = task.job
    lost = job.state is State.RESOLVING and not job.accused and job.empties >= 1
    given_up = "parked" in job.flags and past_deadline(settings, outages, sent, task)
    return lost and not given_up and silent_for_long(settings, sent, task)


def is_convicted_by_silence(task: Due) -> bool:
    """Whether, if this poll is silent too, an error that a callback brought is believed."""
    job = task.job
    is_accused = job.accused and task.attempt == job.attempt
    return is_accused and job.empties + 1 >= ACCUSED_EMPTIES


def lost_for_long(settings: Settings, sent: int, task: Due) -> bool:
    """Whether the attempt's POSTs have had no clear answer for as long as a job may take.

    Not before it was sent again once: an outage may have been all of that time.
    """
    since = task.job.lost_since if task.job.resends else None
    return since is not None and sent >= since + settings.deadline * 1000


def silent_for_long(settings: Settings, sent: int, task: Due) -> bool:
    """Whether polls have answered, and told nothing, for longer than a task plausibly takes."""
    since = task.job.unclear_since
    return since is not None and sent >= since + settings.resolve_after * 1000
