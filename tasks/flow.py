"""How much may be at the provider, and when to stop sending."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from time import monotonic

from structlog.typing import FilteringBoundLogger

from tasks.claims import Claim, Claimed, Due
from tasks.errors import REQUEST_TOO_LARGE, Category, Meaning, category
from tasks.move_calls import Moves
from tasks.store import Store
from tasks.verdict_submit import Told

PROBE_AFTER = 60.0
"""Seconds after which a pause for the key or the credit is tried again; a refusal costs nothing."""

MOST_SETBACK = 20.0
"""Most seconds between two polls for the same while none is answered; below a poll's hold."""

VOUCHED = 60.0
"""Seconds for which a provider that took, or told of, a task is known to know our key."""


class Portion:
    """How many tasks one poll asks for: half as many after one whose answer did not arrive.

    Asked for again together, the same tasks would never get an answer.
    """

    def __init__(self) -> None:
        self._most = 1000  # more than any setting

    def of(self, most: int) -> int:
        """Return how many to ask for where the setting is `most`."""
        return min(most, self._most)

    def was_answered(self, asked: int) -> None:
        """Ask for more again."""
        self._most = max(self._most, 2 * asked)

    def was_not(self, asked: int) -> None:
        """Ask for fewer."""
        self._most = max(1, asked // 2)


class Unanswered:
    """Tasks whose polls got no answer while others did: after some each is asked for by itself.

    One task that no poll is answered for would let its neighbours wait with it, again and again.
    """

    TOGETHER = 2
    """Unanswered polls with others after which a task is asked for alone: one may be chance."""

    MOST = 10_000
    """Tasks remembered; beyond them the search begins anew."""

    def __init__(self) -> None:
        self._missed = Counter[str]()

    def missed(self, due: Iterable[Due]) -> None:
        """Hear that a poll for these tasks got no answer."""
        if len(self._missed) > self.MOST:
            self._missed.clear()
        self._missed.update(task.task_uuid for task in due)

    def answered(self, due: Iterable[Due]) -> None:
        """Hear that one was answered."""
        for task in due if self._missed else ():
            self._missed.pop(task.task_uuid, None)

    def apart(self, due: Sequence[Due]) -> tuple[list[Due], list[Due]]:
        """Return the tasks that may be asked for together; and the others, most hopeful first."""
        alone = [task for task in due if self._missed[task.task_uuid] >= self.TOGETHER]
        alone.sort(key=lambda task: self._missed[task.task_uuid])
        return [task for task in due if task not in alone], alone


class Setbacks:
    """How long to wait after polls that brought nothing: longer each time, as long as named."""

    def __init__(self) -> None:
        self._count, self._named = 0, 0.0

    def named(self, seconds: float | None) -> None:
        """Hear a wait that the provider names."""
        self._named = seconds or 0.0

    def are_over(self) -> None:
        """Begin anew: a poll was answered."""
        self._count = 0

    def next_wait(self) -> float:
        """Return the seconds until the same is asked for again."""
        self._count, named, self._named = self._count + 1, self._named, 0.0
        return max(named, min(MOST_SETBACK, 2.0 ** (self._count - 1)))


class Doubts:
    """What may have been too much at once, though nothing said so.

    An answer that was garbled once is no limit; two in a row are, where nothing as large went well
    between them.
    """

    def __init__(self) -> None:
        self._failed: dict[str, int] = {}

    def went_well(self, what: str, size: int) -> None:
        """Hear that so many were answered as they should."""
        if size >= self._failed.get(what, size + 1):
            self._failed.pop(what, None)

    def went_badly(self, what: str, size: int) -> bool:
        """Hear that so many were not; returns whether they are taken to be too many."""
        known = self._failed.get(what)
        self._failed[what] = min(size, known or size)
        return known is not None


class Witness:
    """When the provider last told of a task by poll, and when it last took one."""

    def __init__(self) -> None:
        self._told = self._took = self._paused = -math.inf  # monotonic seconds

    def told(self) -> None:
        """Hear that a poll told of a task."""
        self._told = monotonic()

    def took(self) -> None:
        """Hear that a submission was taken."""
        self._took = monotonic()

    def told_lately(self) -> bool:
        """Whether polls reach the provider itself, and not something that stands in its place."""
        return monotonic() - self._told < VOUCHED

    def take_pause(self, probe_after: float) -> bool:
        """Take the right to pause all submissions for a refused poll; false where there is none.

        The pause lasts `probe_after` seconds. After each, submissions are tried before the next;
        where one went well, what is refused is that task alone.
        """
        now, saw = monotonic(), max(self._told, self._took)
        vouched = saw > self._paused > -math.inf and now - saw < VOUCHED
        if vouched or now - self._paused < 2 * probe_after:
            return False
        self._paused = now
        return True


def pause(
    store: Store, log: FilteringBoundLogger, batch: str, error: tuple[str, str], probe_after: float
) -> None:
    """Pause a batch whose task was refused; the whole queue once another batch met the same.

    `error` is code and message, `probe_after` seconds.
    """
    code, message = error
    others = [r for b, r in store.paused().items() if b not in {batch, "*"}]
    everyone = any(reason.startswith(f"{code}:") for reason in others)
    store.pause("*" if everyone else batch, f"{code}: {message}", probe_after)
    log.warning("paused", batch="*" if everyone else batch, code=code)


def fit_window(
    moves: Moves, claim: Claim, sent: Sequence[Claimed], told: Sequence[Told], most: int
) -> None:
    """Keep what was accepted; grow while every free slot is filled, once for all POSTs of a claim.

    `sent` are the jobs of one of them, `told` is what was answered of each.
    """
    of_all = [said.code for said in told if said.code != REQUEST_TOO_LARGE or len(told) == 1]
    refused = sum(category(code) is Category.RATE_LIMIT for code in of_all)
    taken = sum(said.meaning is Meaning.ACCEPTED for said in told)
    lost = sum(said.meaning is Meaning.UNCLEAR for said in told)
    is_last = sent[-1] is claim.jobs[-1]
    moves.fit(taken, refused, lost, most, full=claim.free == 0 and is_last)


def takes_fewer(store: Store, log: FilteringBoundLogger, what: str, most: int) -> None:
    """Remember that the provider took `most` (tasks, bytes, uuids) where it had refused more."""
    limit = store.limits.takes_fewer(what, most)
    if limit is not None:
        log.warning("limit.found", what=what, most=limit)


def leave_out(store: Store, log: FilteringBoundLogger, field: str) -> None:
    """Remember that the provider refuses a field that a task can do without."""
    if store.limits.leave_out(field):
        log.warning("limit.found", what="field", refused=field)
