"""What is no job's own fault: a POST that no answer came to, a refused key, a refused field."""

from collections.abc import Sequence
from dataclasses import replace

from tasks import flow, payload, reading_requests
from tasks.backoff import exponential
from tasks.claims import Claim, Claimed
from tasks.context import Context, batches_of
from tasks.errors import MEDIUM_GONE, REQUEST_TOO_LARGE, UPLOAD_FAILED, Meaning, ProviderAway
from tasks.response import Answer
from tasks.verdict_submit import Told

FILE_GONE = "the uploaded file has expired at the provider: submit the same manifest again"
NEVER_UPLOADED = "a file of it was never uploaded: submit the same manifest again"


def reject_unsendable(context: Context, claim: Claim, jobs: Sequence[Claimed]) -> None:
    """Fail jobs whose stored request cannot be sent; nothing of them was bought."""
    with context.store.moves() as moves:
        for job in jobs:
            error = ("unsendable", "its stored request cannot be read")
            if payload.lacks_files(context.store, job.id):
                error = (UPLOAD_FAILED, NEVER_UPLOADED)
            context.tell("submit.unsendable", job, error[0])
            moves.reject(job.id, claim.token, *error)


def leave_out(
    context: Context, jobs: Sequence[Claimed], told: dict[str, Told], tasks: dict[str, bytes]
) -> None:
    """Where the provider refuses a field that a task can do without: send it again without."""
    for job in jobs:
        said = told[job.task_uuid]
        field = payload.optional(said)
        refused = said.meaning in {Meaning.REJECTED, None}
        unclear = said.meaning is Meaning.UNCLEAR and (said.parameter or not said.code)
        if (refused or unclear) and payload.holds(tasks[job.id], field):
            flow.leave_out(context.store, context.log, field)
            told[job.task_uuid] = replace(said, meaning=Meaning.WAIT) if refused else said


def doubt(
    context: Context,
    jobs: Sequence[Claimed],
    told: dict[str, Told],
    tasks: dict[str, bytes],
    status: int,
) -> None:
    """Send fewer at once where an answer calls a POST too large, or left most of its tasks unclear.

    These may be bought, so they are looked for as any; it is those to come that are spared.
    """
    plain = [said for said in told.values() if said.code == REQUEST_TOO_LARGE]
    lost = len(plain) + sum(said.meaning is Meaning.UNCLEAR for said in told.values())
    if 2 * lost <= len(jobs):
        context.doubts.went_well("tasks", len(jobs))
    elif len(jobs) > 1 and status >= 500:  # noqa: PLR2004  HTTP classes
        _doubt_size(context, jobs, tasks)
    elif len(jobs) > 1 and (plain or context.doubts.went_badly("tasks", len(jobs))):
        fewer = len(jobs) - lost or len(jobs) // 2
        flow.takes_fewer(context.store, context.log, "tasks", fewer)


LARGE = 250_000
"""Bytes from which a body's size may be why no answer came: gateways cut such connections."""


def _doubt_size(context: Context, jobs: Sequence[Claimed], tasks: dict[str, bytes]) -> None:
    size = sum(len(tasks[job.id]) + 1 for job in jobs)
    if len(jobs) > 1 and size > LARGE:
        flow.takes_fewer(context.store, context.log, "bytes", size // 2)


def no_answer(
    context: Context,
    claim: Claim,
    jobs: Sequence[Claimed],
    tasks: dict[str, bytes],
    away: ProviderAway,
) -> None:
    """Look for tasks if the POST may have arrived; queue them again if it cannot have."""
    told = {"reason": str(away), "tasks": len(jobs), "sent": away.sent, "batch": batches_of(jobs)}
    context.log.warning("submit.no_answer", **told)
    if not away.sent:
        wait = exponential(jobs[0].refusals, 1.0, 30.0, context.random)
        put_back(context, claim, jobs, wait, str(away))
        return
    _doubt_size(context, jobs, tasks)
    with context.store.moves() as moves:
        for job in jobs:
            moves.lose(job.id, claim.token, "", str(away))
        moves.fit(0, 0, len(jobs), context.settings.window_max, full=False)


def put_back(
    context: Context, claim: Claim, jobs: Sequence[Claimed], wait: float, detail: str
) -> None:
    """Put jobs back of which no POST was sent, to be sent after `wait` seconds."""
    with context.store.moves() as moves:
        for job in jobs:
            moves.put_back(job.id, claim.token, wait, detail)


def pause(context: Context, answer: Answer, job: Claimed, said: Told) -> None:
    """Pause the batch whose task the key or the credit refused, or all where none was named."""
    if any(item.task_uuid == job.task_uuid for item in answer.items):
        pause_batch(context, job.batch, said.code, said.message)
    else:  # it refuses the whole POST
        context.log.warning("paused", batch="*", code=said.code)
        context.store.pause("*", f"{said.code}: {said.message}", context.probe_after)


def pause_batch(context: Context, batch: str, code: str, message: str) -> None:
    """Pause a batch; all of them where another was paused for the same."""
    flow.pause(context.store, context.log, batch, (code, message), context.probe_after)


def explained(context: Context, job: str, code: str, message: str) -> str:
    """Return what to tell of an error; where a file that we uploaded is gone, what to do."""
    gone = code in MEDIUM_GONE and reading_requests.has_files(context.store, job)
    return FILE_GONE if gone else message
