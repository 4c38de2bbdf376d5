"""Moves of several jobs, each one script call with its flat arguments, for one round trip."""

from typing import Any

from tasks.claims import SLOT_MARGIN, Due, Verdict, failure, ms
from tasks.lua import Argument


class Moves:
    """Moves of several jobs, collected and run in one round trip."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Argument, ...]]] = []
        self.answers: list[Any] = []  # of the scripts, in order, once they have run

    def acknowledge(self, job: str, token: str, first_poll: float, detail: str) -> None:
        """The provider has the task; poll it first after `first_poll` seconds."""
        self._add("acknowledge", job, token, ms(first_poll), detail)

    def refuse(self, job: str, token: str, wait: float, code: str, detail: str) -> None:
        """Not bought; the same taskUUID again after `wait` seconds."""
        self._add("refuse", job, token, ms(wait), code[:64], detail[:120])

    def put_back(self, job: str, token: str, wait: float, detail: str) -> None:
        """No POST of it was sent; to be sent after `wait` seconds."""
        self._add("refuse", job, token, ms(wait), "", detail[:120])

    def reject(self, job: str, token: str, code: str, message: str) -> None:
        """Not bought, and never will be."""
        self._add("reject", job, token, code[:64], failure(code, message), code[:64])

    def lose(self, job: str, token: str, code: str, message: str) -> None:
        """No clear answer; `code` where an error named the task."""
        kept = failure(code, message) if code else ""
        self._add("lose", job, token, code[:64], kept, (code or message)[:120])

    def snooze(self, due: Due, sent: int, wait: float, what: str, signature: str = "") -> None:
        """A poll decided nothing; ask again after `wait` seconds."""
        self._add("snooze", *_which(due), sent, ms(wait), what, signature)

    def join(self, due: Due, sent: int, wait: float, signature: str, verdict: Verdict) -> None:
        """Keep an answer with results; complete or finish the job where they say so."""
        self._add("join", *_which(due), sent, ms(wait), signature, *verdict.arguments())

    def again(
        self, due: Due, next_uuid: str, wait: float, error: tuple[str, str], verdict: Verdict
    ) -> None:
        """The attempt failed; make another after `wait` seconds. `error` is code and message."""
        code = error[0][:64]
        rest = (next_uuid, ms(wait), code, failure(*error), code)
        self._add("again", *_which(due), *rest, *verdict.arguments())

    def fail(self, due: Due, error: tuple[str, str], verdict: Verdict) -> None:
        """The attempt failed, and so has the job."""
        code = error[0][:64]
        self._add("fail", *_which(due), code, failure(*error), code, *verdict.arguments())

    def absent(self, due: Due, detail: str) -> None:
        """The task is certainly not at the provider; send it again under the same taskUUID."""
        self._add("absent", *_which(due), detail)

    def park(self, due: Due, wait: float, error: tuple[str, str]) -> None:
        """Neither found nor safely sent again: leave it to the user."""
        self._add("park", *_which(due), ms(wait), failure(*error), error[0][:64])

    def expire(self, due: Due, wait: float, message: str) -> None:
        """The deadline has passed, and a poll after it had no result."""
        self._give_up(due, wait, "expire", ("expired", message), message)

    def abandon(self, due: Due, wait: float, error: tuple[str, str]) -> None:
        """Not found, and no POST had a clear answer, though each named the task: the job fails."""
        self._give_up(due, wait, "fail", error, error[0])

    def _give_up(
        self, due: Due, wait: float, event: str, error: tuple[str, str], detail: str
    ) -> None:
        told = (event, error[0][:64], failure(*error), detail[:120])
        self._add("give_up", *_which(due), ms(wait), *told, ms(SLOT_MARGIN))

    def fit(self, taken: int, refused: int, lost: int, most: int, *, full: bool) -> None:
        """Fit the window to what one POST showed, at most to `most`; its answer is the window.

        Args:
            taken: Tasks that the provider took.
            refused: Tasks that it refused for capacity.
            lost: Tasks without a clear answer.
            most: Largest window.
            full: Whether the claim filled every free slot.
        """
        self._add("fit", taken, refused, lost, int(full), most)

    def _add(self, name: str, *args: Argument) -> None:
        self.calls.append((name, args))


def _which(due: Due) -> tuple[str, int, int]:
    return due.job.id, due.attempt, due.sequence
