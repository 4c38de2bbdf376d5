"""The path of one job, top to bottom: submit, poll, receive.

Each step moves many jobs along and may be run by any number of processes at once, again, or never:
every move is guarded by its script. A door (a Celery task, a route) calls a step and nothing else.
"""

from collections import Counter
from collections.abc import Sequence
from functools import partial

from tasks import (
    asking,
    findings,
    flow,
    history,
    ids,
    payload,
    reading_results,
    refusals,
    strangers,
    timing,
    token,
)
from tasks.asking import Named
from tasks.backoff import exponential
from tasks.claims import SLOT_MARGIN, Claim, Claimed, Due, Verdict
from tasks.context import Context, batches_of
from tasks.errors import Meaning
from tasks.move_calls import Moves
from tasks.poll_round import ask_in_turn
from tasks.posting import Posting
from tasks.response import Answer
from tasks.store import Store
from tasks.verdict_poll import DOUBTED_SIGHTINGS, OK, Found, Outcome, is_whole, news
from tasks.verdict_submit import Told
from tasks.wire.answer import Item
from tasks.wire.callback import read

RESENDS = 3
"""Times a task that got no clear answer is sent again under its taskUUID before it is parked.

Only those count that were lost while the provider took other submissions.
"""
NO_NEWS = "no news"
"""Signature of an answer that says nothing of a task, not even silence."""

# -- submit: queued -> submitting -> processing


def submit(context: Context) -> int:
    """Claim jobs for the free slots and send them; returns how many were claimed.

    Raises:
        StoreAway: the claim's lease will run out and the sweep take over.
    """
    settings, limits = context.settings, context.store.limits
    claim = context.store.claim(
        settings.tasks_per_post,
        settings.deadline + SLOT_MARGIN,
        context.place,
        context.keyring.signing if context.place else "",
        token.LIFETIME,
    )
    most_bytes = limits.most("bytes", settings.bytes_per_post)
    most_tasks = limits.most("tasks", settings.tasks_per_post)
    posting = Posting(context, claim, partial(_apply_submit, context, claim))
    for jobs, tasks in payload.portions(
        context.store, context.keyring, claim.jobs, limits.without(), most_bytes
    ):
        refusals.reject_unsendable(context, claim, [job for job in jobs if job.id not in tasks])
        sendable = history.unsent(context, claim, [job for job in jobs if job.id in tasks])
        for chunk in payload.chunks(sendable, tasks, most_bytes, most_tasks):
            posting.send(chunk, tasks)
    return len(claim.jobs)


def _apply_submit(
    context: Context,
    claim: Claim,
    jobs: Sequence[Claimed],
    told: dict[str, Told],
    answer: Answer,
) -> None:
    for job in jobs:
        said = told[job.task_uuid]
        if said.meaning is Meaning.PAUSE:
            refusals.pause(context, answer, job, said)
    with context.store.moves() as moves:
        for job in jobs:
            said = told[job.task_uuid]
            if said.meaning is Meaning.WAIT and answer.retry_after:
                moves.refuse(job.id, claim.token, answer.retry_after, said.code, said.code)
            else:
                _apply_told(context, moves, claim.token, job, said)
        flow.fit_window(moves, claim, jobs, list(told.values()), context.settings.window_max)
    for job in jobs:
        if told[job.task_uuid].results:  # finished already in the acknowledgment
            context.store.deliver(job.id, told[job.task_uuid].results)
    window = moves.answers[-1]
    counts = Counter(str(said.meaning) for said in told.values())
    batch = batches_of(jobs)
    context.log.info("submit", status=answer.status, window=window, batch=batch, **counts)


def _apply_told(context: Context, moves: Moves, fence: str, job: Claimed, said: Told) -> None:
    match said.meaning:
        case Meaning.ACCEPTED:
            # A conflict is history we lost: the task may be over, so look at once.
            first = 0.0 if said.code else timing.first_poll(context.settings, job, context.pace)
            moves.acknowledge(job.id, fence, first, said.code)
        case Meaning.WAIT:
            wait = exponential(job.refusals, 0.5, 30.0, context.random)
            moves.refuse(job.id, fence, wait, said.code, said.code)
        case Meaning.PAUSE:
            moves.refuse(job.id, fence, 0.0, said.code, said.code)
        case Meaning.REJECTED:
            context.tell("submit.rejected", job, said.code)
            message = refusals.explained(context, job.id, said.code, said.message)
            moves.reject(job.id, fence, said.code, message)
        case _:
            context.tell("submit.unclear", job, said.code)
            moves.lose(job.id, fence, said.code, said.message)


# -- poll: resolving, processing -> completed, partial, failed, expired, or the next attempt


def poll(context: Context) -> int:
    """Ask for the tasks that are due and apply what is known; returns how many were asked for."""
    most = context.store.limits.most("uuids", context.settings.uuids_per_poll)
    sent, due = context.store.claim_due(context.portion.of(most))
    if due:
        inquiry = asking.Inquiry(
            context,
            news=partial(_apply_poll, context, sent),
            no_news=partial(_apply_no_news, context, sent),
            is_over=partial(timing.past_deadline, context.settings, None, sent),
        )
        ask_in_turn(inquiry, sent, due)
    return len(due)


def _apply_poll(
    context: Context, sent: int, due: Sequence[Due], answer: Answer, named: Named
) -> None:
    whole = is_whole(answer.status, answer.items)
    if whole or named:
        context.outages.heard(context.store, context.settings, sent)
    if whole and len(due) > 1:
        silent = [task for task in due if task.task_uuid not in named]
        passed_over = asking.passed_over(context, sent, due, silent)
        due = [task for task in due if task not in passed_over]
    with context.store.moves() as moves:
        for task in due:
            told = news(answer.status, named.get(task.task_uuid, []), whole=whole)
            if told is not None:
                found = findings.found(context, sent, task, told, answer.status)
                _apply_found(context, moves, sent, task, found)
            elif answer.status == OK:
                _without_news(context, moves, sent, task)


def _apply_no_news(context: Context, sent: int, task: Due) -> None:
    with context.store.moves() as moves:
        _without_news(context, moves, sent, task)


def _without_news(context: Context, moves: Moves, sent: int, task: Due) -> None:
    """Expire a task whose time is over once as many answers in a row told nothing of it.

    One alone may be what the first of all answers after an outage says. Before its time is over a
    task without news is simply due again after its hold.
    """
    settings, outages, job = context.settings, context.outages, task.job
    if not timing.past_deadline(settings, None, sent, task):
        return
    is_over = partial(timing.past_deadline, settings, outages, sent, task)
    if not is_over() and not (strangers.are_answered(context) and is_over()):
        return  # nobody was heard of; where a stranger is answered, time counts again
    if job.signature == NO_NEWS and job.sightings + 1 >= DOUBTED_SIGHTINGS:
        _expire(context, moves, task)
    else:
        wait = timing.again_in(settings, sent, task, context.pace)
        moves.snooze(task, sent, wait, Outcome.DOUBTED.value, NO_NEWS)


def _apply_found(context: Context, moves: Moves, sent: int, task: Due, found: Found) -> None:
    verdict, wait = findings.verdict(found), findings.until_next(context, sent, task, found)
    settings, outages = context.settings, context.outages
    match found.outcome:
        case Outcome.RESULTS:
            if found.final:
                timing.learn(context.pace, settings, sent, task)
            moves.join(task, sent, wait, found.signature, verdict)
            if not found.final and timing.past_deadline(settings, outages, sent, task):
                _expire(context, moves, task)  # with what is here; the rest is looked for
        case Outcome.FAILED:
            code, message = found.error
            context.tell("poll.failed", task, code)
            message = refusals.explained(context, task.job.id, code, message)
            moves.fail(task, (code, message), verdict)
        case Outcome.AGAIN:
            _next_attempt(context, moves, task, found, verdict)
        case _ if not timing.is_awaited(task):
            silent = found.outcome is Outcome.EMPTY
            later = timing.until_over(settings, sent, task, context.pace, silent=silent)
            is_gone = silent and timing.needs_no_slot(settings, sent, task)
            what = "absent" if is_gone else found.outcome.value
            moves.snooze(task, sent, later, what, found.signature)
        case Outcome.EMPTY if timing.is_first_silence(task):
            moves.snooze(task, sent, wait, found.outcome.value)  # before it nobody was heard
        case Outcome.EMPTY if timing.certainly_absent(settings, outages, sent, task):
            _send_again(context, moves, sent, task)
        case _ if timing.past_deadline(settings, outages, sent, task):
            _expire(context, moves, task)
        case _:
            moves.snooze(task, sent, wait, found.outcome.value, found.signature)


def _expire(context: Context, moves: Moves, task: Due) -> None:
    context.tell("poll.expired", task, task.job.error_code)
    told = f"no result {context.settings.deadline:.0f} s after it was sent"
    moves.expire(task, timing.after_deadline(context.settings), told)


def _next_attempt(
    context: Context, moves: Moves, task: Due, found: Found, verdict: Verdict
) -> None:
    """Buy again where the provider failed the task, at most `max_attempts` times."""
    if found.pauses:  # no fault of the job, so no limit; the pause sets the pace
        refusals.pause_batch(context, task.job.batch, *found.error)
    elif task.attempt >= context.settings.max_attempts:
        context.tell("poll.failed", task, found.error[0])
        moves.fail(task, found.error, verdict)
        return
    context.tell("poll.again", task, found.error[0])
    next_uuid = ids.attempt_uuid(context.settings.id_secret(), task.job.id, task.attempt + 1)
    wait = exponential(task.attempt - 1, 1.0, 60.0, context.random)
    moves.again(task, next_uuid, wait, found.error, verdict)


def _send_again(context: Context, moves: Moves, sent: int, task: Due) -> None:
    """Send a task that is not there again; give up on one that never gets a clear answer."""
    if task.job.passed_over < RESENDS and not timing.lost_for_long(context.settings, sent, task):
        context.tell("poll.absent", task, task.job.error_code)
        moves.absent(task, f"not there after {context.settings.resolve_after:.0f} s")
        return
    context.tell("poll.given_up", task, task.job.error_code)
    code, message = reading_results.failures(context.store, [task.job.id])[0]
    if task.job.error_code:  # the provider named the task each time
        moves.abandon(task, timing.after_deadline(context.settings), (code, message))
    else:
        moves.park(task, timing.RARELY, ("unresolved", "none of its POSTs had a clear answer"))


# -- receive: a callback


def receive(store: Store, job: str, body: bytes) -> str:
    """Read and keep one callback of `job`; returns what was done, as `keep` does.

    Raises:
        StoreAway: nothing is known to be kept, so the sender must try again.
    """
    return keep(store, job, body, read(body))


def keep(store: Store, job: str, body: bytes, delivered: Sequence[Item] | None) -> str:
    """Store what a callback of `job` delivered, join it where it makes the job whole.

    Returns what was done: 'stored', 'known', 'foreign' (another job's task: nothing was kept),
    'orphan' and 'unreadable' (the body is kept in quarantine), 'full' (the quarantine or the
    attempt is: nothing was kept).

    Raises:
        StoreAway: as of `receive`.
    """
    if delivered is None:
        return _quarantine(store, job, body, "unreadable")
    told = store.deliver(job, delivered)
    return _quarantine(store, job, body, "orphan") if told == "orphan" else told


def _quarantine(store: Store, job: str, body: bytes, why: str) -> str:
    return "full" if store.quarantine(job, ids.short_digest(body), body) == "full" else why
