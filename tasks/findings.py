"""What a poll found of one task, weighed against what is known of its job."""

from collections.abc import Sequence
from time import time

from tasks import reading_results, timing
from tasks.claims import Due, Verdict
from tasks.context import Context
from tasks.errors import Category, category
from tasks.job import Record, State
from tasks.money import total
from tasks.verdict_poll import (
    DOUBTED_SIGHTINGS,
    Found,
    Outcome,
    is_verdict,
    judged,
    of_poll,
    of_untaken,
)
from tasks.wire.answer import Item


def found(context: Context, sent: int, task: Due, told: Sequence[Item], status: int) -> Found:
    """Return what a poll sent at `sent` (the store's ms) settles about a task.

    Args:
        context: What the steps work with.
        sent: When the poll was sent.
        task: The task that was asked for.
        told: The items of the answer that name it.
        status: HTTP status of the answer.
    """
    job = task.job
    expected = job.attempts[task.attempt - 1].expected
    if job.state is State.RESOLVING:
        told = of_untaken(told)
    said = of_poll(told, expected, timing.seen(context.settings, sent, job), status)
    if said.outcome is Outcome.EMPTY and timing.is_convicted_by_silence(task):
        successes, accusations = reading_results.delivered(context.store, job, task.attempt)
        accusations = [error for error in accusations if _accuses(job, error)]
        # One error of several results may be followed by successes that take longer; and one of a
        # task that was sent again may be of the POST before.
        all_told = len(successes) + len(accusations) >= expected and not job.resends
        if accusations and (all_told or timing.silent_for_long(context.settings, sent, task)):
            return judged(tuple(accusations))
    return said


def _accuses(job: Record, error: Item) -> bool:
    """Whether an error that a callback brought may be the task's end.

    A refusal from before the task was taken, told late, does not count.
    """
    unknown = category(error.code) is Category.UNKNOWN  # the refusal's was told by its status
    is_of_refusal = job.refusals > 0 and (error.code in job.refused_with or unknown)
    return is_verdict(error) and not is_of_refusal


def verdict(found: Found) -> Verdict:
    """Return what was found as the scripts take it."""
    items = (*found.successes, *found.errors)
    cost = total(item.cost for item in items)
    return Verdict(items, len(found.successes), cost, final=found.final)


def until_next(context: Context, sent: int, task: Due, found: Found) -> float:
    """Return in how many seconds a task is worth another poll; 0 where it needs none."""
    if found.final:
        return 0.0
    wait = timing.again_in(context.settings, sent, task, context.pace)
    if found.outcome is Outcome.DOUBTED:  # what a poll meets may pass, so give it time to
        wait = max(wait, context.settings.poll_max / DOUBTED_SIGHTINGS)
    return timing.in_step(time(), wait)
