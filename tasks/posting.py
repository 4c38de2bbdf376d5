"""The POSTs of one claim: a chunk in one, or in halves where its answer names no task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tasks import flow, refusals
from tasks.claims import Claim, Claimed
from tasks.context import Context
from tasks.errors import Meaning, ProviderAway
from tasks.response import Answer
from tasks.verdict_submit import Told, of_submit

TOO_LARGE = 413


@dataclass(frozen=True)
class Posting:
    """Sends what a claim took.

    Args:
        context: Whom to send it to.
        claim: What was taken.
        apply: Applies an answer to the jobs of one POST, by what it told of each taskUUID.
    """

    context: Context
    claim: Claim
    apply: Callable[[Sequence[Claimed], dict[str, Told], Answer], None]

    def send(self, jobs: Sequence[Claimed], tasks: dict[str, bytes]) -> bool:
        """Send one chunk and apply what is answered; true where all of it was accepted.

        Args:
            jobs: Those of the chunk.
            tasks: The JSON of their tasks, by job.

        Raises:
            StoreAway: the claim's lease will run out and the sweep take over.
        """
        context, claim = self.context, self.claim
        if claim.is_old:  # another may hold these jobs soon
            refusals.put_back(context, claim, jobs, 0.0, "claim too old to be sent")
            return False
        if context.store.has_lost(claim):  # they are looked for from when the store came up
            refusals.put_back(context, claim, jobs, 0.0, "claimed before the store came up anew")
            return False
        try:
            answer = context.submit([tasks[job.id] for job in jobs], claim.send_by)
        except ProviderAway as away:
            refusals.no_answer(context, claim, jobs, tasks, away)
            return False
        told = of_submit([job.task_uuid for job in jobs], answer.status, answer.items)
        if any(said.meaning is Meaning.ACCEPTED for said in told.values()):
            context.witness.took()
        refusals.leave_out(context, jobs, told, tasks)
        if any(said.meaning is None for said in told.values()):  # it named nobody: find out whom
            return self._send_halves(jobs, tasks, answer.status)
        refusals.doubt(context, jobs, told, tasks, answer.status)
        self.apply(jobs, told, answer)
        return all(said.meaning is Meaning.ACCEPTED for said in told.values())

    def _send_halves(self, jobs: Sequence[Claimed], tasks: dict[str, bytes], status: int) -> bool:
        half = len(jobs) // 2
        taken = [self.send(part, tasks) for part in (jobs[:half], jobs[half:])]
        if all(taken):  # none was at fault: together they were too many, or too large
            size = sum(len(tasks[job.id]) + 1 for job in jobs[:half])
            what, most = ("bytes", size) if status == TOO_LARGE else ("tasks", half)
            flow.takes_fewer(self.context.store, self.context.log, what, most)
        return all(taken)
