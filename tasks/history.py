"""What may have been sent already is looked for before it is sent.

A store that came up anew may lack its last second, or all since a backup. Derived ids give the same
work the same taskUUIDs, but a provider that forgets used ones would sell them again. So what may
have been sent is asked for first; what is there is treated as a POST without a clear answer. The
same goes for what is sent again after silence: while it waited its task may have come to light.
"""

from collections.abc import Mapping, Sequence

from tasks import flow, refusals, strangers
from tasks.claims import Claim, Claimed
from tasks.clock import passing
from tasks.context import Context
from tasks.errors import VERDICTLESS_STATUSES, ProviderAway
from tasks.response import Answer
from tasks.verdict_poll import OK, Outcome, Seen, is_whole, news, of_poll, of_untaken
from tasks.wire.naming import by_task

WAIT = 2.0
"""Seconds until a task is looked for again where the provider told nothing of it."""

MOST_LOOKS = 15
"""Times a job is put back before its task is treated as possibly bought and polled. Polling ends by
itself (news, silence, the deadline); waiting to be sent might never end."""

PROVEN = 3
"""Tasks of one answer whose silence is proven: some provider may answer for the first ones only."""


def unsent(context: Context, claim: Claim, jobs: Sequence[Claimed]) -> list[Claimed]:
    """Return those of the jobs that may be sent; the others are polled, or wait."""
    doubtful = [job for job in jobs if job.is_doubtful]
    most = context.store.limits.most("uuids", context.settings.uuids_per_poll)
    search = _Search(context, claim)
    for start in range(0, len(doubtful), most):
        search.ask(doubtful[start : start + most])
    return [job for job in jobs if not job.is_doubtful or job.id in search.absent]


class _Search:
    """The search for the tasks of one claim."""

    def __init__(self, context: Context, claim: Claim) -> None:
        self._context, self._claim = context, claim
        self.absent = set[str]()  # ids of the jobs whose tasks are not there

    def ask(self, jobs: Sequence[Claimed]) -> bool:
        """Ask for tasks; returns whether all of them were told of, by silence too."""
        if passing() > self._claim.look_by:  # what is known by now is still to be sent
            return self._later(jobs, 0.0, "no time was left for it")
        try:
            answer = self._context.poll([job.task_uuid for job in jobs])
        except ProviderAway as away:
            return self._later(jobs, WAIT, str(away))
        alone = len(jobs) == 1
        if not alone and answer.status in VERDICTLESS_STATUSES and self._is_spoilt(jobs):
            return self._ask_halves(jobs, answer.status)
        if answer.status in strangers.REFUSED:
            reason = f"http{answer.status}: polling is refused"
            is_its_own = alone and strangers.are_answered(self._context)
            if not is_its_own and self._context.witness.take_pause(self._context.probe_after):
                self._context.store.pause("*", reason, self._context.probe_after)
            return self._later(jobs, WAIT, reason)
        if alone:
            (job,) = jobs
            said = _outcome_alone(self._context, answer, job.task_uuid, taken=not job.resends)
            found = {job.id: said}
        else:
            found = {j.id: _outcome(answer, j.task_uuid, taken=not j.resends) for j in jobs}
        if not alone and answer.status not in VERDICTLESS_STATUSES and self._is_short(jobs, found):
            return self._ask_halves(jobs, answer.status)
        return self._apply(jobs, found)

    def _is_spoilt(self, jobs: Sequence[Claimed]) -> bool:
        """Whether one of several is answered for alone: another spoils the answer to all."""
        one = self._context.random.choice(jobs)
        return asked_alone(self._context, one.task_uuid) is not None

    def _is_short(self, jobs: Sequence[Claimed], found: Mapping[str, Outcome | None]) -> bool:
        """Whether an answer leaves tasks out; what it is silent of may be there all the same."""
        if None in found.values():
            return True
        silent = [job for job in jobs if found[job.id] is Outcome.EMPTY]
        some = self._context.random.sample(silent, min(len(silent), PROVEN))
        return any(asked_alone(self._context, job.task_uuid) is not Outcome.EMPTY for job in some)

    def _ask_halves(self, jobs: Sequence[Claimed], status: int) -> bool:
        """One of them may spoil the answer, or together they are too many."""
        half = len(jobs) // 2
        told = [self.ask(part) for part in (jobs[:half], jobs[half:])]
        if not all(told):
            return False
        if status != OK or self._context.doubts.went_badly("uuids", len(jobs)):
            flow.takes_fewer(self._context.store, self._context.log, "uuids", half)
        return True

    def _apply(self, jobs: Sequence[Claimed], found: Mapping[str, Outcome | None]) -> bool:
        untold = [job for job in jobs if found[job.id] is None]
        there = [job for job in jobs if found[job.id] not in {None, Outcome.EMPTY}]
        silent = [job for job in jobs if found[job.id] is Outcome.EMPTY]
        self._later(untold, WAIT, "no news of it")
        self.absent |= {job.id for job in silent} - {job.id for job in self._put_off(silent)}
        with self._context.store.moves() as moves:
            for job in there:
                why = "there after all" if job.resends else "sent in a history that is lost"
                moves.lose(job.id, self._claim.token, "", why)
        told = {"tasks": len(jobs), "there": len(there), "silent": len(untold)}
        self._context.log.info("history.asked", **told)
        return not untold

    def _put_off(self, silent: Sequence[Claimed]) -> list[Claimed]:
        """Put back what the lost history may have sent too lately for silence to tell; return it.

        Some providers show nothing of what runs (contract §4).
        """
        enough = self._context.settings.resolve_after
        waits = {job.id: enough - (job.silent_for or 0.0) for job in silent}
        early = [job for job in silent if waits[job.id] > 0]
        if early:
            wait = max(WAIT, *(waits[job.id] for job in early))
            self._later(early, wait, "silent, but it may have been sent just before and run unseen")
        return early

    def _later(self, jobs: Sequence[Claimed], wait: float, why: str) -> bool:
        why = f"looked for before it is sent: {why}"
        given_up = [job for job in jobs if wait and job.refusals >= MOST_LOOKS]
        with self._context.store.moves() as moves:
            for job in given_up:
                moves.lose(job.id, self._claim.token, "", why)
        rest = [job for job in jobs if job not in given_up]
        refusals.put_back(self._context, self._claim, rest, wait, why)
        return False


def asked_alone(context: Context, task_uuid: str) -> Outcome | None:
    """Return what the provider says of one task; None where that is nothing, not even silence."""
    try:
        answer = context.poll([task_uuid])
    except ProviderAway:
        return None
    return _outcome_alone(context, answer, task_uuid)


def _outcome_alone(
    context: Context, answer: Answer, task_uuid: str, *, taken: bool = True
) -> Outcome | None:
    said = _outcome(answer, task_uuid, alone=task_uuid, taken=taken)
    if said is None and strangers.is_silence(context, answer):
        return Outcome.EMPTY
    return said


def _outcome(
    answer: Answer, task_uuid: str, *, alone: str = "", taken: bool = True
) -> Outcome | None:
    """Return what an answer says of a task; None where it tells nothing, not even silence.

    Args:
        answer: To a poll.
        task_uuid: Whose task.
        alone: The same where it was asked for alone.
        taken: Whether somebody may have taken it; else "gone" says that it is not there.
    """
    named = by_task(answer.items, alone=alone)
    whole = is_whole(answer.status, answer.items) and not answer.problem
    told = news(answer.status, named.get(task_uuid, []), whole=whole)
    if told is None:
        return None
    return of_poll(told if taken else of_untaken(told), 1, Seen(), answer.status).outcome
