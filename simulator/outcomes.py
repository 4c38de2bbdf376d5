"""What becomes of a purchase: which results succeed, which fail, and when each is finished."""

import hashlib
from dataclasses import dataclass, field

from simulator import answers, tokens
from simulator.answers import Answer
from simulator.request import Request
from simulator.tokens import Usage

_DEFAULT_FAILURE = "timeoutProvider"


@dataclass(slots=True)
class Result:
    """One result of a purchase.

    Attributes:
        index: Its number within the purchase, from 0.
        outcome: The answer, or the code of the error it ended in.
        finish_at: When it is finished, on the monotonic clock.
        cost_nano: What it costs when finished, in nano-dollars.
        polled: A poll has shown it.
        answered: The answer to the submission held it: sync, streamed to the end, or at once.
        webhooks_sent: Deliveries of it that were tried.
        webhooks_acknowledged: Deliveries answered with 2xx.
    """

    index: int
    outcome: Answer | str
    finish_at: float
    cost_nano: int
    polled: bool = False
    answered: bool = False
    webhooks_sent: int = 0
    webhooks_acknowledged: int = 0


@dataclass(slots=True)
class Purchase:
    """One accepted submission: it runs, and it is charged.

    Attributes:
        number: How many times this taskUUID was bought, this time included.
        accepted_at: When, on the monotonic clock.
        results: In the order in which they finish.
    """

    request: Request
    number: int
    accepted_at: float
    results: list[Result] = field(default_factory=list)

    @property
    def finish_at(self) -> float:
        """When the last result is finished, on the monotonic clock."""
        return self.results[-1].finish_at


def failure_code(request: Request, earlier_attempts: int) -> str | None:
    """Return the code the task's directives make it fail with, if they do.

    Args:
        request: The submission.
        earlier_attempts: Purchases with the same messages and inputs before this one.
    """
    wanted = request.directives
    if wanted.fail:
        return wanted.fail.word if wanted.fail.applies(earlier_attempts) else None
    return _DEFAULT_FAILURE if wanted.one_error or wanted.errors else None


def plan(
    request: Request, code: str | None, now: float, latency: float, *, bill_failed: bool
) -> list[Result]:
    """Lay out the results of a purchase; they finish one after another within the latency."""
    outcomes = _outcomes(request, code)
    return [
        Result(
            index=index,
            outcome=outcome,
            finish_at=now + latency * (index + 1) / len(outcomes),
            cost_nano=_cost(request, outcome, bill_failed=bill_failed),
        )
        for index, outcome in enumerate(outcomes)
    ]


def share_of(task_uuid: str) -> float:
    """Return where in a span of latencies a task lies (0 to 1), always the same."""
    return int.from_bytes(hashlib.sha256(task_uuid.encode()).digest()[:4]) / 2**32


def _outcomes(request: Request, code: str | None) -> list[Answer | str]:
    number = request.number_results
    if code is None:
        return [answers.answer(request, index) for index in range(number)]
    if request.directives.one_error:
        return [code]
    failing = number if request.directives.errors is None else request.directives.errors
    good = max(0, number - failing)
    return [answers.answer(request, i) if i < good else code for i in range(number)]


def _cost(request: Request, outcome: Answer | str, *, bill_failed: bool) -> int:
    if isinstance(outcome, Answer):
        return outcome.usage.cost_nano
    prompt = tokens.of_prompt(request)
    return Usage(prompt, completion=0, thinking=0).cost_nano if bill_failed else 0
