"""What a poll's answer says of each task. Pure: from items to a decision, no I/O."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import gcd

from tasks.errors import (
    OF_THE_INPUT,
    VERDICTLESS_STATUSES,
    Category,
    Meaning,
    Road,
    category,
    meaning,
    sightings_needed,
)
from tasks.ids import content_digest
from tasks.wire.answer import Item, Kind

OK = 200
"""Only a poll's answer with this status tells by silence; another may have left tasks out."""

OF_THE_TASK = OF_THE_INPUT | {Category.TIMEOUT, Category.PROVIDER, Category.GONE}
"""Categories that by poll speak of the task whatever the status: a code outranks a status
(contract §17, trap 7), but not one that a poll itself can meet."""

DOUBTED_SIGHTINGS = 3
"""Polls in a row that must repeat an error whose HTTP status speaks of the poll."""

SHORT_SIGHTINGS = 2
"""Polls in a row that must show the same too few items before those are taken for all."""

SHORT_SECONDS = 30.0
"""And for how long: of several results one may fail at once, the others take their time unseen."""

SLOW_TO_BELIEVE = frozenset({Category.RATE_LIMIT, Category.GONE})
"""Categories that end or repeat an attempt only once they have stood for as long as silence
must: a rate limit may be the poll's, and "gone" may be said of what is not there yet."""


class Outcome(StrEnum):
    """What a poll settles about one task."""

    EMPTY = "empty"  # the provider says nothing of it
    RUNNING = "running"
    DOUBTED = "error"  # an error that must stand on further polls
    RESULTS = "results"  # some results; `final` tells whether more can come
    AGAIN = "again"
    FAILED = "failed"


@dataclass(frozen=True)
class Found:
    """What a getResponse answer says of one task."""

    outcome: Outcome
    successes: tuple[Item, ...] = ()
    errors: tuple[Item, ...] = ()
    final: bool = False
    signature: str = ""  # of the errors, where they must be seen again
    pauses: bool = False  # the key or the credit failed it

    @property
    def error(self) -> tuple[str, str]:
        """Code and message of the error to show."""
        first = self.errors[0]
        return first.code, first.message


@dataclass(frozen=True)
class Seen:
    """What stood before this poll."""

    signature: str = ""  # of the errors of the last
    polls: int = 0  # in a row
    seconds: float = 0.0  # since the first of these
    patience: float = 0.0  # seconds after which silence about a task is believed


def is_whole(status: int, items: Sequence[Item]) -> bool:
    """Whether silence in an answer counts: it is a 200 in which every item names its task."""
    told = [item for item in items if not item.is_of_session]
    return status == OK and not any(item.about_poll or item.task_uuid is None for item in told)


def news(status: int, told: Sequence[Item], *, whole: bool) -> Sequence[Item] | None:
    """Return what a poll's answer says of one task; None where it says nothing, not even silence.

    Args:
        status: HTTP status of the answer.
        told: the items that name the task.
        whole: whether its silence counts.
    """
    if status in VERDICTLESS_STATUSES:  # most of its errors speak of the poll, its data of tasks
        return [item for item in told if _is_of_its_task(item)] or None
    if told:
        return told if any(map(_is_news, told)) else None
    return [] if whole else None


def of_untaken(items: Sequence[Item]) -> Sequence[Item]:
    """Return what is said of a task that nobody has taken: "gone" says that it is not there."""
    return [item for item in items if category(item.code) is not Category.GONE]


def _is_of_its_task(item: Item) -> bool:
    return item.kind is not Kind.ERROR or category(item.code) in OF_THE_TASK


def _is_news(item: Item) -> bool:
    """Whether an item speaks of its task; "not found" does, a refused key does not."""
    if item.kind is not Kind.ERROR or category(item.code) is Category.UNKNOWN_TASK:
        return True
    return meaning(Road.POLL, item.code) is not Meaning.NO_NEWS


def of_poll(items: Sequence[Item], expected: int, seen: Seen, status: int = OK) -> Found:
    """Return what the items of one task say.

    Args:
        items: everything the answer holds under its taskUUID.
        expected: its numberResults.
        seen: what stood on the polls before this one.
        status: HTTP status of the answer; under one that speaks of the poll an error is doubted.
    """
    items = _told_once(items, expected)
    successes = _at_most(expected, [item for item in items if item.kind is Kind.SUCCESS])
    errors = tuple(item for item in items if is_verdict(item))
    running = any(
        item.kind in {Kind.PROCESSING, Kind.OTHER}  # whatever it is, it is there
        or (item.kind is Kind.ERROR and meaning(Road.POLL, item.code) is Meaning.ACCEPTED)
        for item in items
    )
    if not successes and not errors:
        return Found(Outcome.RUNNING if running else Outcome.EMPTY)
    if len(successes) >= expected:
        return Found(Outcome.RESULTS, successes, errors, final=True)
    digests = sorted(item.digest for item in errors)
    signature = content_digest(digests, len(successes)) if errors else ""
    short = len(successes) + least_failed(errors) < expected
    final = not running and bool(errors) and _stands(signature, seen, errors, status, short=short)
    return _found(successes, errors, signature, running=running, final=final)


def _told_once(items: Sequence[Item], expected: int) -> list[Item]:
    """Leave out what an answer says again.

    Items that are equal are one where their resultIndex says so. Without one they are results that
    are alike, unless the whole answer holds everything twice, or three times: it does where there
    would be more than was asked for. While the task runs more is to come, so equal ones are one.
    """
    runs = any(item.kind is Kind.PROCESSING for item in items)
    alike: dict[tuple[Kind, str, str], list[Item]] = {}
    for item in items:
        index = item.raw.get("resultIndex")
        place = str(index) if isinstance(index, int) else ""
        alike.setdefault((item.kind, item.digest, place), []).append(item)
    times = _times_told([len(twins) for twins in alike.values()], items, expected)
    kept = {
        id(item)
        for (_, _, place), twins in alike.items()
        for item in (twins[:1] if place else _each(twins) if runs else _once(twins, times))
    }
    return [item for item in items if id(item) in kept]


def _once(twins: Sequence[Item], times: int) -> Sequence[Item]:
    """Return what is left of results of one text that were told so many times."""
    same = _same(twins)
    if all(len(each) % times == 0 for each in same):
        return [twin for each in same for twin in each[: len(each) // times]]
    return twins[: len(twins) // times]


def _each(twins: Sequence[Item]) -> Sequence[Item]:
    return [each[0] for each in _same(twins)]


def _same(twins: Sequence[Item]) -> list[list[Item]]:
    """Group results of one text: their costs and seeds may tell them apart."""
    same: list[list[Item]] = []
    for twin in twins:
        known = next((each for each in same if each[0].raw == twin.raw), None)
        if known:
            known.append(twin)
        else:
            same.append([twin])
    return same


def _times_told(counts: Sequence[int], items: Sequence[Item], expected: int) -> int:
    common = gcd(*counts) or 1
    times, rest = divmod(len(items), expected)
    return times if times and not rest and not common % times else 1


def _at_most(expected: int, successes: list[Item]) -> tuple[Item, ...]:
    """Leave out equal results, the last first, while there are more than were asked for."""
    for item in reversed(successes):
        if len(successes) <= expected:
            break
        if sum(other.raw == item.raw for other in successes) > 1:
            successes = [other for other in successes if other is not item]
    return tuple(successes)


def _found(
    successes: tuple[Item, ...],
    errors: tuple[Item, ...],
    signature: str,
    *,
    running: bool,
    final: bool,
) -> Found:
    if successes:
        return Found(Outcome.RESULTS, successes, errors, final, signature)
    if not final:
        return Found(Outcome.RUNNING if running else Outcome.DOUBTED, signature=signature)
    return judged(errors)


def judged(errors: tuple[Item, ...]) -> Found:
    """Return what errors that stand mean for the attempt: one that is for good decides."""
    meanings = [meaning(Road.POLL, item.code) for item in errors]
    if Meaning.FAILED in meanings:
        first = errors[meanings.index(Meaning.FAILED)]
        rest = tuple(item for item in errors if item is not first)
        return Found(Outcome.FAILED, errors=(first, *rest), final=True)
    pauses = Meaning.PAUSE in meanings
    return Found(Outcome.AGAIN, errors=errors, final=True, pauses=pauses)


def is_verdict(item: Item) -> bool:
    """Whether an item is an error that ends its attempt, once it is believed."""
    verdicts = {Meaning.AGAIN, Meaning.FAILED, Meaning.PAUSE}
    return item.kind is Kind.ERROR and meaning(Road.POLL, item.code) in verdicts


def least_failed(items: Iterable[Item]) -> int:
    """Return how many results errors stand for at least: equal ones may be one told twice."""
    errors = (item for item in items if item.kind is Kind.ERROR)
    return len({(error.digest, str(error.raw.get("resultIndex"))) for error in errors})


def _stands(
    signature: str, seen: Seen, errors: Sequence[Item], status: int, *, short: bool
) -> bool:
    """Whether errors were told on as many polls, and for as long, as it takes to believe them."""
    polls, seconds = (seen.polls, seen.seconds) if signature == seen.signature else (0, 0.0)
    doubted = DOUBTED_SIGHTINGS if status in VERDICTLESS_STATUSES else 1
    few = SHORT_SIGHTINGS if short else 1
    needed = max(few, doubted, *(sightings_needed(error.code) for error in errors))
    stands = min(SHORT_SECONDS, seen.patience) if short else 0.0
    if any(_is_slow_to_believe(error) for error in errors):
        stands = seen.patience
    return polls + 1 >= needed and seconds >= stands


def _is_slow_to_believe(error: Item) -> bool:
    about_name = category(error.code) is Category.VALIDATION and "taskuuid" in (
        f"{error.code} {error.parameter}".lower()
    )
    return about_name or category(error.code) in SLOW_TO_BELIEVE
