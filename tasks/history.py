"""What the store may have forgotten: a task of a lost history is looked for before it is sent.

A store that came up anew may lack its last second, or all since a backup. Derived ids give the same
work the same taskUUIDs, but a provider that forgets used ones would sell them again. So what may
have been sent is asked for first; what is there is treated as a POST without a clear answer.
"""

from collections.abc import Sequence

from tasks import flow, refusals
from tasks.claims import Claim, Claimed
from tasks.context import Context
from tasks.errors import VERDICTLESS_STATUSES, ProviderAway
from tasks.provider import Answer
from tasks.verdict import Outcome, by_task, is_whole, news, of_poll

WAIT = 2.0
"""Seconds until a task is looked for again where the provider told nothing of it."""

REFUSED = frozenset({401, 402, 403})
"""HTTP statuses of a refused key, or of no credit: nobody is told anything."""


def unsent(context: Context, claim: Claim, jobs: Sequence[Claimed]) -> list[Claimed]:
    """Return those of the jobs that may be sent; the others are polled, or wait."""
    doubtful = [job for job in jobs if job.is_doubtful]
    absent = set[str]()
    most = int(context.store.limits().get("uuids", context.settings.uuids_per_poll))
    for start in range(0, len(doubtful), most):
        absent |= _absent(context, claim, doubtful[start : start + most])
    return [job for job in jobs if not job.is_doubtful or job.id in absent]


def _absent(context: Context, claim: Claim, jobs: Sequence[Claimed]) -> set[str]:
    """Ask for tasks; return the ids of the jobs whose tasks are not there."""
    try:
        answer = context.provider.poll([job.task_uuid for job in jobs])
    except ProviderAway as away:
        return _later(context, claim, jobs, str(away))
    if answer.status in REFUSED:
        reason = f"http{answer.status}: polling is refused"
        flow.pause_all(context.store, reason, context.probe_after)
        return _later(context, claim, jobs, reason)
    found = {job.id: _outcome(answer, job) for job in jobs}
    silent = [job for job in jobs if found[job.id] is None]
    if silent and len(jobs) > 1 and answer.status not in VERDICTLESS_STATUSES:
        half = len(jobs) // 2  # one of them may spoil the answer, or they are too many
        return _absent(context, claim, jobs[:half]) | _absent(context, claim, jobs[half:])
    there = [job for job in jobs if found[job.id] not in {None, Outcome.EMPTY}]
    _later(context, claim, silent, "no news of it")
    with context.store.moves() as moves:
        for job in there:
            moves.lose(job.id, claim.token, "", "sent in a history that the store has lost")
    context.log.info("history.asked", tasks=len(jobs), there=len(there), silent=len(silent))
    return {job.id for job in jobs if found[job.id] is Outcome.EMPTY}


def _outcome(answer: Answer, job: Claimed) -> Outcome | None:
    """Return what an answer says of a job's task; None where it tells nothing, not even silence."""
    named, whole = by_task(answer.items), is_whole(answer.status, answer.items)
    told = news(answer.status, named.get(job.task_uuid, []), whole=whole and not answer.problem)
    return None if told is None else of_poll(told, 1, {}, answer.status).outcome


def _later(context: Context, claim: Claim, jobs: Sequence[Claimed], why: str) -> set[str]:
    refusals.refuse_all(context, claim, jobs, WAIT, f"looked for before it is sent: {why}")
    return set()
