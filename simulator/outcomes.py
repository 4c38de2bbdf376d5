"""What becomes of a purchase: which results succeed, which fail, and when each is finished."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

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


@dataclass(frozen=True, slots=True)
class Terms:
    """What was decided when a task was accepted, beside what it says itself.

    Attributes:
        code: Of the error that its results, or some of them, end in.
        latency: Seconds until the last result is finished.
        bill_failed: The prompt of a failed result is charged.
    """

    code: str | None = None
    latency: float = 0.0
    bill_failed: bool = False


@dataclass
class Purchase:
    """One accepted submission: it runs, and it is charged.

    Attributes:
        number: How many times this taskUUID was bought, this time included.
        accepted_at: When, on the monotonic clock.
        read: Returns the request. Called when it is needed: few of the tasks that are known again
            after a restart are ever asked for.
        told: Results whose webhooks were over before a restart.
    """

    number: int
    accepted_at: float
    terms: Terms
    read: Callable[[], Request]
    told: set[int] | frozenset[int] = frozenset()

    @cached_property
    def request(self) -> Request:
        """The submission."""
        return self.read()

    @cached_property
    def results(self) -> list[Result]:
        """In the order in which they finish."""
        return plan(self.request, self.terms, self.accepted_at)

    @property
    def finish_at(self) -> float:
        """When the last result is finished, on the monotonic clock."""
        return self.accepted_at + self.terms.latency


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


def plan(request: Request, terms: Terms, now: float) -> list[Result]:
    """Lay out the results of a purchase; they finish one after another within the latency."""
    outcomes = _outcomes(request, terms.code)
    return [
        Result(
            index=index,
            outcome=outcome,
            finish_at=now + terms.latency * ((index + 1) / len(outcomes)),
            cost_nano=_cost(request, outcome, bill_failed=terms.bill_failed),
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
