"""The path of one job, top to bottom: submit, poll, receive.

Each step moves many jobs along and may be run by any number of processes at once, again, or never:
every move is guarded by its script. A door (a Celery task, a route) calls a step and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from structlog.typing import FilteringBoundLogger

from tasks import flow, ids, payload, reading, timing, token
from tasks.backoff import exponential
from tasks.claims import SLOT_MARGIN, Claim, Claimed, Due, Verdict
from tasks.errors import (
    VERDICTLESS_STATUSES,
    Category,
    Meaning,
    ProviderAway,
    category,
)
from tasks.money import total
from tasks.move_calls import Moves
from tasks.provider import Answer, Provider
from tasks.settings import Settings
from tasks.store import Store
from tasks.verdict import (
    OK,
    Found,
    Outcome,
    Told,
    by_task,
    is_whole,
    judged,
    news,
    of_poll,
    of_submit,
)
from tasks.wire.answer import Item, Kind, Unreadable, items, parse

RESENDS = 3
"""Times a task that got no clear answer is sent again under its taskUUID before it is parked.

Only those count that were lost while the provider took other submissions.
"""
ACCUSED_EMPTIES = 3
"""Empty polls after which an error that a callback brought is believed."""
MOST_ITEMS = 64
"""Items of one callback that are read; the provider sends one, and a task has four at most."""


@dataclass(frozen=True)
class Context:
    """What the steps work with; each process builds one."""

    store: Store
    provider: Provider
    settings: Settings
    keyring: token.Keyring
    place: str  # index of our callback URL in the store; empty: no callbacks
    log: FilteringBoundLogger
    random: Random
    probe_after: float = flow.PROBE_AFTER  # seconds
    portion: flow.Portion = field(default_factory=flow.Portion)


# -- submit: queued -> submitting -> processing


def submit(context: Context) -> int:
    """Claim jobs for the free slots and send them; returns how many were claimed.

    Raises:
        StoreAway: the claim's lease will run out and the sweep take over.
    """
    settings = context.settings
    claim = context.store.claim(
        settings.tasks_per_post,
        settings.deadline + SLOT_MARGIN,
        context.place,
        context.keyring.signing if context.place else "",
        token.LIFETIME,
    )
    tasks = payload.bodies(context.store, context.keyring, claim.jobs)
    _reject_unsendable(context, claim, [job for job in claim.jobs if job.id not in tasks])
    sendable = [job for job in claim.jobs if job.id in tasks]
    for chunk in payload.chunks(sendable, tasks, settings.bytes_per_post):
        _send(context, claim, chunk, tasks)
    return len(claim.jobs)


def _reject_unsendable(context: Context, claim: Claim, jobs: Sequence[Claimed]) -> None:
    with context.store.moves() as moves:
        for job in jobs:
            context.log.error("submit.unsendable", job=job.id)
            moves.reject(job.id, claim.token, "unsendable", "its stored request cannot be read")


def _send(context: Context, claim: Claim, jobs: Sequence[Claimed], tasks: dict[str, bytes]) -> None:
    """Send one chunk and apply the answer task by task."""
    if claim.is_old:  # another may hold these jobs soon
        _refuse_all(context, claim, jobs, 0.0, "claim too old to be sent")
        return
    try:
        answer = context.provider.submit([tasks[job.id] for job in jobs])
    except ProviderAway as away:
        _no_answer(context, claim, jobs, away)
        return
    told = of_submit([job.task_uuid for job in jobs], answer.status, answer.items)
    if any(said.meaning is None for said in told.values()):  # it named nobody: find out whom
        half = len(jobs) // 2
        _send(context, claim, jobs[:half], tasks)
        _send(context, claim, jobs[half:], tasks)
        return
    _apply_submit(context, claim, jobs, told, answer)


def _no_answer(context: Context, claim: Claim, jobs: Sequence[Claimed], away: ProviderAway) -> None:
    context.log.warning("submit.no_answer", reason=str(away), tasks=len(jobs), sent=away.sent)
    if not away.sent:
        wait = exponential(jobs[0].refusals, 1.0, 30.0, context.random)
        _refuse_all(context, claim, jobs, wait, str(away))
        return
    with context.store.moves() as moves:
        for job in jobs:
            moves.lose(job.id, claim.token, "", str(away))


def _refuse_all(
    context: Context, claim: Claim, jobs: Sequence[Claimed], wait: float, detail: str
) -> None:
    with context.store.moves() as moves:
        for job in jobs:
            moves.refuse(job.id, claim.token, wait, "", detail)


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
            _pause(context, answer, job, said)
    with context.store.moves() as moves:
        for job in jobs:
            said = told[job.task_uuid]
            if said.meaning is Meaning.WAIT and answer.retry_after:
                moves.refuse(job.id, claim.token, answer.retry_after, said.code, said.code)
            else:
                _apply_told(context, moves, claim.token, job, said)
    for job in jobs:
        if told[job.task_uuid].results:  # finished already in the acknowledgment
            context.store.deliver(job.id, told[job.task_uuid].results)
    flow.fit_window(context.store, claim, list(told.values()), context.settings.window_max)
    counts = [str(said.meaning) for said in told.values()]
    context.log.info(
        "submit", status=answer.status, **{word: counts.count(word) for word in counts}
    )


def _pause(context: Context, answer: Answer, job: Claimed, said: Told) -> None:
    if any(item.task_uuid == job.task_uuid for item in answer.items):
        _pause_batch(context, job.batch, said.code, said.message)
    else:  # it refuses the whole POST
        context.log.warning("paused", what="all", code=said.code)
        flow.pause_all(context.store, f"{said.code}: {said.message}", context.probe_after)


def _pause_batch(context: Context, batch: str, code: str, message: str) -> None:
    flow.pause(context.store, context.log, batch, (code, message), context.probe_after)


def _apply_told(context: Context, moves: Moves, fence: str, job: Claimed, said: Told) -> None:
    match said.meaning:
        case Meaning.ACCEPTED:
            # A conflict is history we lost: the task may be over, so look at once.
            first = 0.0 if said.code else context.settings.first_poll
            moves.acknowledge(job.id, fence, first, said.code)
        case Meaning.WAIT:
            wait = exponential(job.refusals, 0.5, 30.0, context.random)
            moves.refuse(job.id, fence, wait, said.code, said.code)
        case Meaning.PAUSE:
            moves.refuse(job.id, fence, 0.0, said.code, said.code)
        case Meaning.REJECTED:
            moves.reject(job.id, fence, said.code, said.message)
        case _:
            moves.lose(job.id, fence, said.code, said.message)


# -- poll: resolving, processing -> completed, partial, failed, expired, or the next attempt


def poll(context: Context) -> int:
    """Ask for the tasks that are due and apply what is known; returns how many were asked for."""
    most = context.portion.of(context.settings.uuids_per_poll)
    sent, due = context.store.claim_due(most)
    if due and _ask(context, sent, due):
        context.portion.was_answered(len(due))
    elif len(due) > 1 and _ask(context, sent, [context.random.choice(due)]):
        # The provider is there: the answer to all is too large, or one task of them spoils it.
        context.portion.was_not(len(due))
    return len(due)


def _ask(context: Context, sent: int, due: Sequence[Due]) -> bool:
    """Ask for these tasks and apply what is known; false where there was no answer."""
    try:
        answer = context.provider.poll([task.task_uuid for task in due])
    except ProviderAway as away:  # no news: each is due again when its hold is over
        context.log.warning("poll.no_answer", reason=str(away), tasks=len(due))
        return False
    named = by_task(answer.items)
    refused = not any(task.task_uuid in named for task in due) and answer.status != OK
    if refused or answer.problem:
        _unanswered(context, sent, due, answer)
        return True
    whole = is_whole(answer.status, answer.items)
    with context.store.moves() as moves:
        for task in due:
            told = news(answer.status, named.get(task.task_uuid, []), whole=whole)
            if told is not None:
                found = _found(context, sent, task, told, answer.status)
                _apply_found(context, moves, sent, task, found)
            elif answer.status == OK and timing.past_deadline(context.settings, sent, task):
                _expire(context, moves, task)  # else no news of it: due again after its hold
    context.log.info("poll", status=answer.status, tasks=len(due), named=len(named))
    return True


def _unanswered(context: Context, sent: int, due: Sequence[Due], answer: Answer) -> None:
    """A refused or unreadable answer is no news of any task; what may be one task's is halved."""
    context.log.warning(
        "poll.refused", status=answer.status, tasks=len(due), problem=answer.problem
    )
    codes = [item.code for item in answer.items if item.kind is Kind.ERROR]
    about_us = any(category(code) in {Category.AUTH, Category.QUOTA} for code in codes)
    if answer.status in {401, 402, 403} or about_us:
        code = codes[0] if codes else f"http{answer.status}"
        flow.pause_all(context.store, f"{code}: polling is refused", context.probe_after)
    elif answer.status not in VERDICTLESS_STATUSES and len(due) > 1:
        _ask(context, sent, due[: len(due) // 2])
        _ask(context, sent, due[len(due) // 2 :])


def _found(context: Context, sent: int, task: Due, told: Sequence[Item], status: int) -> Found:
    job = task.job
    said = of_poll(told, job.expected, {job.signature: job.sightings}, status)
    silent = said.outcome is Outcome.EMPTY and job.empties + 1 >= ACCUSED_EMPTIES
    if silent and job.accused and task.attempt == job.attempt:
        successes, accusations = reading.delivered(context.store, job.id, task.attempt)
        # One error of several results may be followed by successes that take longer.
        all_told = len(successes) + len(accusations) >= job.expected
        if accusations and (all_told or timing.silent_for_long(context.settings, sent, task)):
            return judged(accusations)
    return said


def _apply_found(context: Context, moves: Moves, sent: int, task: Due, found: Found) -> None:
    verdict = Verdict(
        items=(*found.successes, *found.errors),
        successes=len(found.successes),
        cost=total(item.cost for item in (*found.successes, *found.errors)),
        # Fewer results than asked for, and no more in time, are all there are.
        final=found.final or timing.past_deadline(context.settings, sent, task),
    )
    settings = context.settings
    wait = timing.wait(settings, sent, task)
    match found.outcome:
        case Outcome.RESULTS:
            moves.join(task, sent, wait, found.signature, verdict)
        case Outcome.FAILED:
            moves.fail(task, found.error, verdict)
        case Outcome.AGAIN:
            _next_attempt(context, moves, task, found, verdict)
        case _ if not timing.is_awaited(task):
            moves.snooze(task, sent, timing.RARELY, found.outcome.value, found.signature)
        case _ if timing.past_deadline(settings, sent, task):
            _expire(context, moves, task)
        case Outcome.EMPTY if timing.certainly_absent(settings, sent, task):
            _send_again(context, moves, sent, task)
        case _:
            moves.snooze(task, sent, wait, found.outcome.value, found.signature)


def _expire(context: Context, moves: Moves, task: Due) -> None:
    told = f"no result {context.settings.deadline:.0f} s after it was sent"
    moves.expire(task, timing.RARELY, told)


def _next_attempt(
    context: Context, moves: Moves, task: Due, found: Found, verdict: Verdict
) -> None:
    """Buy again where the provider failed the task, at most `max_attempts` times."""
    if found.pauses:  # no fault of the job, so no limit; the pause sets the pace
        _pause_batch(context, task.job.batch, *found.error)
    elif task.attempt >= context.settings.max_attempts:
        moves.fail(task, found.error, verdict)
        return
    next_uuid = ids.attempt_uuid(context.settings.id_secret(), task.job.id, task.attempt + 1)
    wait = exponential(task.attempt - 1, 1.0, 60.0, context.random)
    moves.again(task, next_uuid, wait, found.error, verdict)


def _send_again(context: Context, moves: Moves, sent: int, task: Due) -> None:
    """Send a task that is not there again; give up on one that never gets a clear answer."""
    if task.job.passed_over < RESENDS and not timing.lost_for_long(context.settings, sent, task):
        moves.absent(task, f"not there after {context.settings.resolve_after:.0f} s")
        return
    code, message = reading.failures(context.store, [task.job.id])[0]
    if task.job.error_code:  # the provider named the task each time
        moves.fail(task, (code, message), Verdict((), 0, None, final=True))
    else:
        moves.park(task, timing.RARELY, ("unresolved", "none of its POSTs had a clear answer"))


# -- receive: a callback


def receive(store: Store, job: str, body: bytes) -> str:
    """Store one callback of `job`, join it where it makes the job whole; returns what was done.

    'stored', 'known', 'foreign' (another job's task: nothing was kept), 'orphan' and 'unreadable'
    (kept in quarantine), 'full' (the quarantine or the attempt is: nothing was kept).

    Raises:
        StoreAway: nothing is known to be kept, so the sender must try again.
    """
    try:
        delivered = items(parse(body))
    except Unreadable:
        delivered = []
    if not 0 < len(delivered) <= MOST_ITEMS or not all(map(_is_ours, delivered)):
        return _quarantine(store, job, body, "unreadable")
    told = store.deliver(job, delivered)
    return _quarantine(store, job, body, "orphan") if told == "orphan" else told


def _is_ours(item: Item) -> bool:
    if item.kind is Kind.SUCCESS:  # it must say which attempt it belongs to
        return item.task_uuid is not None and ids.is_task_uuid(item.task_uuid)
    well_named = item.task_uuid is None or ids.is_task_uuid(item.task_uuid)
    return item.kind is not Kind.OTHER and well_named


def _quarantine(store: Store, job: str, body: bytes, why: str) -> str:
    return "full" if store.quarantine(job, ids.short_digest(body), body) == "full" else why
