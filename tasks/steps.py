"""The path of one job, top to bottom: submit, poll, receive.

Each step moves many jobs along and may be run by any number of processes at once, again, or never:
every move is guarded by its script. A door (a Celery task, a route) calls a step and nothing else.
"""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from time import time

from tasks import (
    asking,
    flow,
    history,
    ids,
    payload,
    reading_requests,
    reading_results,
    refusals,
    timing,
    token,
)
from tasks.asking import Heard, Named
from tasks.backoff import exponential
from tasks.claims import SLOT_MARGIN, Claim, Claimed, Due, Verdict
from tasks.context import Context, batches_of
from tasks.errors import MEDIUM_GONE, Category, Meaning, ProviderAway, Road, category
from tasks.job import Record, State
from tasks.money import total
from tasks.move_calls import Moves
from tasks.provider import Answer
from tasks.store import Store
from tasks.verdict_poll import (
    DOUBTED_SIGHTINGS,
    OK,
    Found,
    Outcome,
    is_verdict,
    is_whole,
    judged,
    news,
    of_poll,
    of_untaken,
)
from tasks.verdict_submit import Told, of_submit
from tasks.wire.answer import Item
from tasks.wire.callback import read

TOO_LARGE = 413
RESENDS = 3
"""Times a task that got no clear answer is sent again under its taskUUID before it is parked.

Only those count that were lost while the provider took other submissions.
"""
ACCUSED_EMPTIES = 3
"""Empty polls after which an error that a callback brought is believed."""
NO_NEWS = "no news"
"""Signature of an answer that says nothing of a task, not even silence."""
FILE_GONE = "the uploaded file has expired at the provider: submit the same manifest again"


# -- submit: queued -> submitting -> processing


def submit(context: Context) -> int:
    """Claim jobs for the free slots and send them; returns how many were claimed.

    Raises:
        StoreAway: the claim's lease will run out and the sweep take over.
    """
    settings, limits = context.settings, context.store.limits()
    claim = context.store.claim(
        settings.tasks_per_post,
        settings.deadline + SLOT_MARGIN,
        context.place,
        context.keyring.signing if context.place else "",
        token.LIFETIME,
    )
    most_bytes = min(settings.bytes_per_post, int(limits.get("bytes", settings.bytes_per_post)))
    most_tasks = int(limits.get("tasks", settings.tasks_per_post))
    for jobs, tasks in payload.portions(
        context.store, context.keyring, claim.jobs, flow.without(limits), most_bytes
    ):
        refusals.reject_unsendable(context, claim, [job for job in jobs if job.id not in tasks])
        sendable = history.unsent(context, claim, [job for job in jobs if job.id in tasks])
        for chunk in payload.chunks(sendable, tasks, most_bytes, most_tasks):
            _send(context, claim, chunk, tasks)
    return len(claim.jobs)


def _send(context: Context, claim: Claim, jobs: Sequence[Claimed], tasks: dict[str, bytes]) -> bool:
    """Send one chunk and apply the answer task by task; true where all of it was accepted."""
    if claim.is_old:  # another may hold these jobs soon
        refusals.put_back(context, claim, jobs, 0.0, "claim too old to be sent")
        return False
    try:
        post = partial(context.provider.submit, [tasks[job.id] for job in jobs], claim.send_by)
        answer = context.measured(Road.SUBMIT, post)
    except ProviderAway as away:
        refusals.no_answer(context, claim, jobs, tasks, away)
        return False
    told = of_submit([job.task_uuid for job in jobs], answer.status, answer.items)
    if any(said.meaning is Meaning.ACCEPTED for said in told.values()):
        context.witness.took()
    refusals.leave_out(context, jobs, told, tasks)
    if any(said.meaning is None for said in told.values()):  # it named nobody: find out whom
        return _send_halves(context, claim, jobs, tasks, answer.status)
    refusals.doubt(context, jobs, told, tasks, answer.status)
    _apply_submit(context, claim, jobs, told, answer)
    return all(said.meaning is Meaning.ACCEPTED for said in told.values())


def _send_halves(
    context: Context,
    claim: Claim,
    jobs: Sequence[Claimed],
    tasks: dict[str, bytes],
    status: int,
) -> bool:
    half = len(jobs) // 2
    taken = [_send(context, claim, part, tasks) for part in (jobs[:half], jobs[half:])]
    if all(taken):  # none was at fault: together they were too many, or too large
        size = sum(len(tasks[job.id]) + 1 for job in jobs[:half])
        what, most = ("bytes", size) if status == TOO_LARGE else ("tasks", half)
        flow.takes_fewer(context.store, context.log, what, most)
    return all(taken)


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
            settings = context.settings
            most = settings.poll_max
            first = context.pace.wait(0.0, settings.first_poll, most, job.task_uuid)
            first = 0.0 if said.code else timing.in_step(time(), first)
            moves.acknowledge(job.id, fence, first, said.code)
        case Meaning.WAIT:
            wait = exponential(job.refusals, 0.5, 30.0, context.random)
            moves.refuse(job.id, fence, wait, said.code, said.code)
        case Meaning.PAUSE:
            moves.refuse(job.id, fence, 0.0, said.code, said.code)
        case Meaning.REJECTED:
            context.tell("submit.rejected", job, said.code)
            message = _explained(context, job.id, said.code, said.message)
            moves.reject(job.id, fence, said.code, message)
        case _:
            context.tell("submit.unclear", job, said.code)
            moves.lose(job.id, fence, said.code, said.message)


def _explained(context: Context, job: str, code: str, message: str) -> str:
    """Return what to tell of an error; where a file that we uploaded is gone, what to do."""
    gone = code in MEDIUM_GONE and reading_requests.has_files(context.store, job)
    return FILE_GONE if gone else message


# -- poll: resolving, processing -> completed, partial, failed, expired, or the next attempt


def poll(context: Context) -> int:
    """Ask for the tasks that are due and apply what is known; returns how many were asked for."""
    setting = context.settings.uuids_per_poll
    most = context.portion.of(min(setting, int(context.store.limits().get("uuids", setting))))
    sent, due = context.store.claim_due(most)
    inquiry = asking.Inquiry(
        context,
        partial(_apply_poll, context, sent),
        partial(_apply_no_news, context, sent),
        partial(timing.past_deadline, context.settings, sent),
    )
    if not due:
        return 0
    together, alone = context.unanswered.apart(due)
    heard = _ask(inquiry, sent, together or alone[:1])
    left = alone if together else alone[1:]
    if together and left and heard is not Heard.NOTHING:
        _ask(inquiry, sent, left[:1])
        left = left[1:]
    context.store.unhold(sent, left, context.setbacks.next_wait() if heard is Heard.NOTHING else 0)
    return len(due)


def _ask(inquiry: asking.Inquiry, sent: int, due: Sequence[Due]) -> Heard:
    """Ask for tasks at once; those that no answer came to are due again soon."""
    context, heard = inquiry.context, inquiry.ask(due)
    if heard is not Heard.NOTHING:
        context.portion.was_answered(len(due))
        context.unanswered.answered(due)
    elif len(due) == 1:
        context.unanswered.missed(due)
    elif inquiry.ask([context.random.choice(due)]) is not Heard.NOTHING:
        # The provider is there: the answer to all is too large, or one task of them spoils it.
        context.portion.was_not(len(due))
        context.unanswered.missed(due)
        context.setbacks.are_over()
    if heard is Heard.NEWS:
        context.setbacks.are_over()
    else:
        context.store.unhold(sent, due, context.setbacks.next_wait())
    return heard


def _apply_poll(
    context: Context, sent: int, due: Sequence[Due], answer: Answer, named: Named
) -> None:
    whole = is_whole(answer.status, answer.items)
    if whole and len(due) > 1:
        silent = [task for task in due if task.task_uuid not in named]
        passed_over = asking.passed_over(context, sent, due, silent)
        due = [task for task in due if task not in passed_over]
    with context.store.moves() as moves:
        for task in due:
            told = news(answer.status, named.get(task.task_uuid, []), whole=whole)
            if told is not None:
                found = _found(context, sent, task, told, answer.status)
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
    settings, job = context.settings, task.job
    if not timing.past_deadline(settings, sent, task):
        return
    if job.signature == NO_NEWS and job.sightings + 1 >= DOUBTED_SIGHTINGS:
        _expire(context, moves, task)
    else:
        wait = timing.again_in(settings, sent, task, context.pace)
        moves.snooze(task, sent, wait, Outcome.DOUBTED.value, NO_NEWS)


def _found(context: Context, sent: int, task: Due, told: Sequence[Item], status: int) -> Found:
    job = task.job
    expected = job.attempts[task.attempt - 1].expected
    if job.state is State.RESOLVING:
        told = of_untaken(told)
    said = of_poll(told, expected, timing.seen(context.settings, sent, job), status)
    silent = said.outcome is Outcome.EMPTY and job.empties + 1 >= ACCUSED_EMPTIES
    if silent and job.accused and task.attempt == job.attempt:
        successes, accusations = reading_results.delivered(context.store, job, task.attempt)
        accusations = [error for error in accusations if _accuses(job, error)]
        # One error of several results may be followed by successes that take longer.
        all_told = len(successes) + len(accusations) >= expected
        if accusations and (all_told or timing.silent_for_long(context.settings, sent, task)):
            return judged(tuple(accusations))
    return said


def _accuses(job: Record, error: Item) -> bool:
    """Whether an error that a callback brought may be the task's end.

    Of a task that was refused before it was taken, that refusal, told late, is none.
    """
    unknown = category(error.code) is Category.UNKNOWN  # the refusal's was told by its status
    is_of_refusal = job.refusals > 0 and (error.code == job.error_code or unknown)
    return is_verdict(error) and not is_of_refusal


def _apply_found(context: Context, moves: Moves, sent: int, task: Due, found: Found) -> None:
    verdict = Verdict(
        items=(*found.successes, *found.errors),
        successes=len(found.successes),
        cost=total(item.cost for item in (*found.successes, *found.errors)),
        final=found.final,
    )
    settings, wait = context.settings, _until_next(context, sent, task, found)
    match found.outcome:
        case Outcome.RESULTS:
            if found.final:
                timing.learn(context.pace, settings, sent, task)
            moves.join(task, sent, wait, found.signature, verdict)
            if not found.final and timing.past_deadline(settings, sent, task):
                _expire(context, moves, task)  # with what is here; the rest is looked for
        case Outcome.FAILED:
            code, message = found.error
            context.tell("poll.failed", task, code)
            message = _explained(context, task.job.id, code, message)
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
        case Outcome.EMPTY if timing.certainly_absent(settings, sent, task):
            _send_again(context, moves, sent, task)
        case _ if timing.past_deadline(settings, sent, task):
            _expire(context, moves, task)
        case _:
            moves.snooze(task, sent, wait, found.outcome.value, found.signature)


def _until_next(context: Context, sent: int, task: Due, found: Found) -> float:
    """Return in how many seconds a task is worth another poll; 0 where it needs none."""
    if found.final:
        return 0.0
    wait = timing.again_in(context.settings, sent, task, context.pace)
    if found.outcome is Outcome.DOUBTED:  # what a poll meets may pass, so give it time to
        wait = max(wait, context.settings.poll_max / DOUBTED_SIGHTINGS)
    return timing.in_step(time(), wait)


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
        moves.fail(task, (code, message), Verdict((), 0, None, final=True))
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
