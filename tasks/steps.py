"""The path of one job, top to bottom: submit, poll, receive.

Each step moves many jobs along and may be run by any number of processes at once, again, or never:
every move is guarded by its script. A door (a Celery task, a route) calls a step and nothing else.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from functools import partial
from time import monotonic, time

from tasks import flow, history, ids, payload, reading, refusals, timing, token
from tasks.backoff import exponential
from tasks.claims import SLOT_MARGIN, Claim, Claimed, Due, Verdict
from tasks.context import Context, batches_of
from tasks.errors import (
    MEDIUM_GONE,
    VERDICTLESS_STATUSES,
    Category,
    Meaning,
    ProviderAway,
    Road,
    category,
)
from tasks.money import total
from tasks.move_calls import Moves
from tasks.provider import Answer
from tasks.store import Store
from tasks.verdict import (
    DOUBTED_SIGHTINGS,
    OK,
    Found,
    Outcome,
    Told,
    by_task,
    is_verdict,
    is_whole,
    judged,
    news,
    of_poll,
    of_submit,
)
from tasks.wire.answer import Item, Kind, Unreadable, items, parse

TOO_LARGE = 413
PLAIN = frozenset(range(400, 500))
SERVER_FAULTS = frozenset(range(500, 600))
RESENDS = 3
"""Times a task that got no clear answer is sent again under its taskUUID before it is parked.

Only those count that were lost while the provider took other submissions.
"""
ACCUSED_EMPTIES = 3
"""Empty polls after which an error that a callback brought is believed."""
MOST_UNREAD = 4 * 1024 * 1024
"""Bytes of an answer to a poll that are kept where it cannot be read: as of a callback."""
NO_NEWS = "no news"
"""Signature of an answer that says nothing of a task, not even silence."""
FILE_GONE = "the uploaded file has expired at the provider: submit the same manifest again"
MOST_ITEMS = 64
"""Items of one callback that are read; the provider sends one, and a task has four at most."""


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
        refusals.refuse_all(context, claim, jobs, 0.0, "claim too old to be sent")
        return False
    try:
        post = partial(context.provider.submit, [tasks[job.id] for job in jobs], claim.send_by)
        answer = _measured(context, Road.SUBMIT, post)
    except ProviderAway as away:
        refusals.no_answer(context, claim, jobs, tasks, away)
        return False
    told = of_submit([job.task_uuid for job in jobs], answer.status, answer.items)
    refusals.leave_out(context, jobs, told, tasks)
    if any(said.meaning is None for said in told.values()):  # it named nobody: find out whom
        return _send_halves(context, claim, jobs, tasks, answer.status)
    refusals.doubt(context, jobs, told, tasks, answer.status)
    _apply_submit(context, claim, jobs, told, answer)
    return all(said.meaning is Meaning.ACCEPTED for said in told.values())


def _measured(context: Context, road: Road, post: Callable[[], Answer]) -> Answer:
    """Speak to the provider, and count how long it took and which errors it told."""
    begun, status = monotonic(), None
    try:
        answer = post()
        status = answer.status
    finally:
        context.tally.answer(road, monotonic() - begun, status)
    context.tally.errors(item.code for item in answer.items if item.kind is Kind.ERROR)
    return answer


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
        flow.fit_window(moves, claim, list(told.values()), context.settings.window_max)
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
    gone = code in MEDIUM_GONE and reading.has_files(context.store, job)
    return FILE_GONE if gone else message


# -- poll: resolving, processing -> completed, partial, failed, expired, or the next attempt


def poll(context: Context) -> int:
    """Ask for the tasks that are due and apply what is known; returns how many were asked for."""
    setting = context.settings.uuids_per_poll
    most = context.portion.of(min(setting, int(context.store.limits().get("uuids", setting))))
    sent, due = context.store.claim_due(most)
    if due and _ask(context, sent, due) is not Heard.NOTHING:
        context.portion.was_answered(len(due))
    elif len(due) > 1 and _ask(context, sent, [context.random.choice(due)]) is not Heard.NOTHING:
        # The provider is there: the answer to all is too large, or one task of them spoils it.
        context.portion.was_not(len(due))
    return len(due)


class Heard(Enum):
    """What became of one poll."""

    NOTHING = auto()  # there was no answer
    REFUSED = auto()  # an answer that is no news of any task
    NEWS = auto()


def _ask(context: Context, sent: int, due: Sequence[Due]) -> Heard:
    """Ask for these tasks and apply what is known."""
    try:
        post = partial(context.provider.poll, [task.task_uuid for task in due])
        answer = _measured(context, Road.POLL, post)
    except ProviderAway as away:  # no news: each is due again when its hold is over
        missed = {"reason": str(away), "tasks": len(due), "batch": batches_of(due)}
        context.log.warning("poll.no_answer", **missed)
        return Heard.NOTHING
    alone = due[0].task_uuid if len(due) == 1 else ""
    accused = {task.task_uuid for task in due if task.job.accused}
    named = by_task(answer.items, accused, alone=alone)
    whole = is_whole(answer.status, answer.items)
    told_of_any = whole or any(task.task_uuid in named for task in due)
    if answer.problem or not (told_of_any or answer.status == OK):
        return _unanswered(context, sent, due, answer)
    if not told_of_any and (one := _answered_for(context, sent, due)):
        return _ask_halves(context, sent, _others(due, one), plain=False)
    if told_of_any:
        context.doubts.went_well("uuids", len(due))
    _apply_told_by_poll(context, sent, due, answer, named)
    told_of = {"tasks": len(due), "named": len(named), "batch": batches_of(due)}
    context.log.info("poll", status=answer.status, **told_of)
    return Heard.NEWS if told_of_any else Heard.REFUSED


def _apply_told_by_poll(
    context: Context,
    sent: int,
    due: Sequence[Due],
    answer: Answer,
    named: Mapping[str, Sequence[Item]],
) -> None:
    whole = is_whole(answer.status, answer.items)
    if whole and len(due) > 1:
        silent = [task for task in due if task.task_uuid not in named]
        passed_over = _passed_over(context, sent, due, silent)
        due = [task for task in due if task not in passed_over]
    with context.store.moves() as moves:
        for task in due:
            told = news(answer.status, named.get(task.task_uuid, []), whole=whole)
            if told is not None:
                found = _found(context, sent, task, told, answer.status)
                _apply_found(context, moves, sent, task, found)
            elif answer.status == OK:
                _apply_no_news(context, moves, sent, task)


def _passed_over(
    context: Context, sent: int, due: Sequence[Due], silent: Sequence[Due]
) -> list[Due]:
    """Return tasks whose silence is none: the answer was not for all that were asked for.

    Silence that would have tasks sent again, or expired, is proven by asking for some alone.
    """
    settings = context.settings
    grave = [
        task
        for task in silent
        if timing.certainly_absent(settings, sent, task)
        or timing.past_deadline(settings, sent, task)
    ]
    some = context.random.sample(grave, min(len(grave), history.PROVEN))
    said = {history.asked_alone(context, task.task_uuid) for task in some}
    if said - {None, Outcome.EMPTY}:
        flow.takes_fewer(context.store, context.log, "uuids", len(due) // 2)
    return [] if said <= {Outcome.EMPTY} else grave


def _unanswered(context: Context, sent: int, due: Sequence[Due], answer: Answer) -> Heard:
    """A refused or unreadable answer is no news of any task; what may be one task's is halved."""
    problem = {"problem": answer.problem} if answer.problem else {}
    told = {"tasks": len(due), "batch": batches_of(due), **problem}
    context.log.warning("poll.refused", status=answer.status, **told)
    codes = [item.code for item in answer.items if item.kind is Kind.ERROR]
    about_us = any(category(code) in {Category.AUTH, Category.QUOTA} for code in codes)
    if answer.status in {401, 402, 403} or about_us:
        code = codes[0] if codes else f"http{answer.status}"
        flow.pause_all(context.store, f"{code}: polling is refused", context.probe_after)
    elif len(due) == 1 and answer.status not in VERDICTLESS_STATUSES:
        _keep_unread(context, due[0], answer)
        with context.store.moves() as moves:
            _apply_no_news(context, moves, sent, due[0])
    elif answer.status not in VERDICTLESS_STATUSES:
        return _ask_halves(context, sent, due, plain=answer.status in PLAIN)
    elif answer.status in SERVER_FAULTS and (one := _answered_for(context, sent, due)):
        return _ask_halves(context, sent, _others(due, one), plain=False)
    return Heard.REFUSED


def _keep_unread(context: Context, task: Due, answer: Answer) -> None:
    """Keep what was said of a task and cannot be read: it may be a result that was paid for."""
    told = answer.status == OK and task.task_uuid.encode() in answer.unread
    if told and len(answer.unread) <= MOST_UNREAD:
        _quarantine(context.store, task.job.id, answer.unread, "unreadable")


def _answered_for(context: Context, sent: int, due: Sequence[Due]) -> Due | None:
    """Ask for one of several tasks alone; return it where it is told of and all together were not.

    A fault of the server, or a 200 without news, rarely means that they were too many.
    """
    if len(due) == 1:
        return None
    one = context.random.choice(due)
    return one if _ask(context, sent, [one]) is Heard.NEWS else None


def _others(due: Sequence[Due], one: Due) -> list[Due]:
    return [task for task in due if task is not one]


def _apply_no_news(context: Context, moves: Moves, sent: int, task: Due) -> None:
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


def _ask_halves(context: Context, sent: int, due: Sequence[Due], *, plain: bool) -> Heard:
    """Ask for both halves; that they are answered shows a limit, where it was `plain`ly refused."""
    half = (len(due) + 1) // 2
    if {_ask(context, sent, part) for part in (due[:half], due[half:]) if part} != {Heard.NEWS}:
        return Heard.REFUSED
    if plain or context.doubts.are_believed("uuids", len(due)):
        flow.takes_fewer(context.store, context.log, "uuids", half)
    return Heard.NEWS


def _found(context: Context, sent: int, task: Due, told: Sequence[Item], status: int) -> Found:
    job = task.job
    expected = job.attempts[task.attempt - 1].expected
    said = of_poll(told, expected, {job.signature: job.sightings}, status)
    silent = said.outcome is Outcome.EMPTY and job.empties + 1 >= ACCUSED_EMPTIES
    if silent and job.accused and task.attempt == job.attempt:
        successes, accusations = reading.delivered(context.store, job, task.attempt)
        accusations = [error for error in accusations if is_verdict(error)]
        # One error of several results may be followed by successes that take longer.
        all_told = len(successes) + len(accusations) >= expected
        if accusations and (all_told or timing.silent_for_long(context.settings, sent, task)):
            return judged(tuple(accusations))
    return said


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
            later = timing.until_over(settings, sent, task, context.pace)
            is_gone = found.outcome is Outcome.EMPTY and timing.needs_no_slot(settings, sent, task)
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
    moves.expire(task, timing.RARELY, told)


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
    code, message = reading.failures(context.store, [task.job.id])[0]
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


def read(body: bytes) -> Sequence[Item] | None:
    """Return the items of a callback's body; None where it cannot be understood."""
    try:
        value = parse(body)
        delivered = [] if _is_crowded(value) else items(value)
    except Unreadable:
        return None
    return delivered if delivered and all(map(_is_ours, delivered)) else None


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


def _is_crowded(value: object) -> bool:
    """Whether a body lists more than is read, told before an item is made of each (15 s)."""
    lists = [value.get("data"), value.get("errors")] if isinstance(value, dict) else [value]
    return sum(len(listed) for listed in lists if isinstance(listed, list)) > MOST_ITEMS


def _is_ours(item: Item) -> bool:
    if item.kind is Kind.SUCCESS:  # it must say which attempt it belongs to
        return item.task_uuid is not None and ids.is_task_uuid(item.task_uuid)
    well_named = item.task_uuid is None or ids.is_task_uuid(item.task_uuid)
    return item.kind is not Kind.OTHER and well_named


def _quarantine(store: Store, job: str, body: bytes, why: str) -> str:
    return "full" if store.quarantine(job, ids.short_digest(body), body) == "full" else why
