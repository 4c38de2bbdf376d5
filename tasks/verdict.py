"""What an answer says of each task. Pure: from items to a decision, no I/O."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import gcd

from tasks.errors import (
    REQUEST_TOO_LARGE,
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

BAD_ENVELOPE = {
    401: (Meaning.PAUSE, "unauthorized"),
    402: (Meaning.PAUSE, "paymentRequired"),
    403: (Meaning.PAUSE, "forbidden"),
    429: (Meaning.WAIT, "rateLimit"),
}
"""Statuses that refuse a whole POST without naming a task (contract §6, HTTP status)."""

MISDIRECTED = frozenset({404, 405, *range(300, 400)})
"""Statuses that say RUNWARE_BASE_URL is wrong; redirects are not followed."""

UNPAID = frozenset({401, 402})
"""Statuses with which nothing was bought whatever the code: its words are not stable."""

OF_NO_MEANING = frozenset({"standardError", "unknownError"})
"""Codes that say no more than that there was an error; one without a code has the second."""

OF_THE_INPUT = frozenset({Category.SAFETY, Category.MEDIUM, Category.CONFLICT})
"""Categories that only a task can cause, under any status; the others yield to a status above."""

OF_THE_TASK = OF_THE_INPUT | {Category.TIMEOUT, Category.PROVIDER, Category.GONE}
"""Categories that by poll speak of the task whatever the status: a code outranks a status
(contract §17, trap 7), but not one that a poll itself can meet."""

NOT_THERE = frozenset({Category.UNKNOWN_TASK, Category.GONE})
"""Categories that by poll can speak of nothing but the task that was asked for."""

PRECEDENCE = (
    *(Meaning.ACCEPTED, Meaning.UNCLEAR),
    *(Meaning.PAUSE, Meaning.REJECTED, Meaning.WAIT),
)
"""Of several errors of one task that decides which leaves most room for a purchase."""

DOUBTED_SIGHTINGS = 3
"""Polls in a row on which an error must stand whose answer had a status that speaks of the poll."""

SHORT_SIGHTINGS = 2
"""Polls in a row on which fewer items than asked for must stand before they are all there are."""


@dataclass(frozen=True)
class Told:
    """What the direct answer to a POST says of one task."""

    meaning: Meaning | None  # None: it names nobody; send fewer at once
    code: str = ""
    message: str = ""
    results: tuple[Item, ...] = ()  # finished already in the acknowledgment
    parameter: str = ""  # the field that the error names


def of_submit(uuids: Sequence[str], status: int, items: Sequence[Item]) -> dict[str, Told]:
    """Return for each submitted task what the answer to its POST says of it."""
    named = by_task(items)
    if any(uuid in named for uuid in uuids):
        lost = Told(Meaning.UNCLEAR, message="the answer does not name this task")
        return {uuid: _named(named[uuid], status) if uuid in named else lost for uuid in uuids}
    told = _envelope(status, items, alone=len(uuids) == 1)
    return dict.fromkeys(uuids, told)


def by_task(
    items: Sequence[Item], accused: Collection[str] = (), *, alone: str = ""
) -> dict[str, list[Item]]:
    """Group items by the task they name; what names none, or is the poll's own, is left out.

    An error that may be either's is the task's beside results of it, for these a poll has told; and
    one of an unknown code where a callback has `accused` the task. That the task asked for is not
    there, or no longer, needs no name where it was asked for `alone`.
    """
    told = {item.task_uuid for item in items if item.kind is Kind.SUCCESS}
    named: dict[str, list[Item]] = {}
    for item in items:
        unknown = category(item.code) is Category.UNKNOWN
        believed = item.task_uuid in told or (unknown and item.task_uuid in accused)
        if item.task_uuid and (believed or not item.about_poll):
            named.setdefault(item.task_uuid, []).append(item)
        elif alone and not item.task_uuid and category(item.code) in NOT_THERE:
            named.setdefault(alone, []).append(item)
    return named


def _named(items: Sequence[Item], status: int) -> Told:
    results = tuple(item for item in items if item.kind is Kind.SUCCESS)
    if any(item.kind is not Kind.ERROR for item in items):
        return Told(Meaning.ACCEPTED, results=results)
    told = _heaviest(items)
    if any(item.cost for item in items) and told.meaning is not Meaning.ACCEPTED:
        return replace(told, meaning=Meaning.UNCLEAR)  # what has a price was bought
    if status in UNPAID and told.meaning is Meaning.REJECTED:
        return replace(told, meaning=Meaning.PAUSE)
    if status in BAD_ENVELOPE and all(_says_nothing(item.code) for item in items):
        refused, code = BAD_ENVELOPE[status]  # code first, status second (contract §6)
        return Told(refused, code, f"{told.code}: {told.message}", parameter=told.parameter)
    return told


def _says_nothing(code: str) -> bool:
    """Whether a code is none that is known to mean something."""
    return category(code) is Category.UNKNOWN or code in OF_NO_MEANING


def _heaviest(errors: Sequence[Item]) -> Told:
    """Return what several errors say together; their order says nothing."""
    by_meaning = {meaning(Road.SUBMIT, error.code): error for error in reversed(errors)}
    decided = min(by_meaning, key=PRECEDENCE.index)
    error = by_meaning[decided]
    return Told(decided, error.code, error.message, parameter=error.parameter)


def _envelope(status: int, items: Sequence[Item], *, alone: bool) -> Told:
    """Read an answer that names none of the tasks it answers."""
    said = next((item.message for item in items if item.message), "")
    items = [item for item in items if not _tells_nothing(item, status)]
    errors = [item for item in items if item.kind is Kind.ERROR and not item.task_uuid]
    if len(errors) < len(items) or status >= 500 or status == 408:  # noqa: PLR2004  HTTP classes
        return Told(Meaning.UNCLEAR, message=f"HTTP {status} names no task")
    kinds = {category(error.code) for error in errors}
    general = {Category.AUTH, Category.QUOTA, Category.RATE_LIMIT}
    by_status = _of_status(status)
    if kinds - {Category.UNKNOWN} and (by_status is None or kinds & (general | OF_THE_INPUT)):
        known = [error for error in errors if category(error.code) is not Category.UNKNOWN]
        told = _heaviest(known)
        if told.meaning is Meaning.REJECTED and kinds & general:
            # Whose it is cannot be told yet: what refuses everybody comes first.
            told = _heaviest([error for error in known if category(error.code) in general])
        return _of_all(told, status, alone=alone)
    if by_status:
        return by_status
    if status < 400:  # noqa: PLR2004  a success that names nobody says nothing
        return Told(Meaning.UNCLEAR, message="the answer names no task")
    told = Told(Meaning.REJECTED if alone else None, f"http{status}", said)
    if not errors:
        return told
    first = errors[0]
    return replace(told, code=first.code, message=first.message, parameter=first.parameter)


def _tells_nothing(item: Item, status: int) -> bool:
    """Whether an item is none of a task's: of the session, or a refusal in a shape of its own."""
    refused = status >= 400 and item.kind is Kind.OTHER and not item.task_uuid  # noqa: PLR2004
    return item.is_of_session or refused


def _of_status(status: int) -> Told | None:
    if status in BAD_ENVELOPE:
        refused, code = BAD_ENVELOPE[status]
        return Told(refused, code, f"HTTP {status}")
    if status in MISDIRECTED:
        message = f"HTTP {status}: is RUNWARE_BASE_URL right?"
        return Told(Meaning.PAUSE, f"http{status}", message)
    return None


def _of_all(told: Told, status: int, *, alone: bool) -> Told:
    """Return what an error that names no task says of every task of the POST."""
    said, refused = told.meaning, status >= 400  # noqa: PLR2004  a success may have taken some
    if said is Meaning.PAUSE or (alone and said in _OF_ONE):
        return told
    if refused and (said is Meaning.REJECTED or told.code == REQUEST_TOO_LARGE):
        return replace(told, meaning=None)
    if refused and said is Meaning.WAIT:
        return told
    message = f"HTTP {status} names no task: {told.code}: {told.message}"
    return Told(Meaning.UNCLEAR, message=message, parameter=told.parameter)


_OF_ONE = frozenset({Meaning.WAIT, Meaning.ACCEPTED, Meaning.REJECTED})
"""What an error that names no task says of the one that was sent."""


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


def is_whole(status: int, items: Sequence[Item]) -> bool:
    """Whether a poll's answer tells by silence: a 200 in which every item names its task."""
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


def _is_of_its_task(item: Item) -> bool:
    return item.kind is not Kind.ERROR or category(item.code) in OF_THE_TASK


def _is_news(item: Item) -> bool:
    """Whether an item speaks of its task; "not found" does, a refused key does not."""
    if item.kind is not Kind.ERROR or category(item.code) is Category.UNKNOWN_TASK:
        return True
    return meaning(Road.POLL, item.code) is not Meaning.NO_NEWS


def of_poll(
    items: Sequence[Item], expected: int, seen: Mapping[str, int], status: int = OK
) -> Found:
    """Return what the items of one task say.

    Args:
        items: everything the answer holds under its taskUUID.
        expected: its numberResults.
        seen: on how many polls in a row before this one each signature stood.
        status: HTTP status of the answer; under one that speaks of the poll an error is doubted.
    """
    items = _told_once(items, expected)
    successes = tuple(item for item in items if item.kind is Kind.SUCCESS)
    errors = tuple(item for item in items if is_verdict(item))
    running = any(
        item.kind is Kind.PROCESSING
        or (item.kind is Kind.ERROR and meaning(Road.POLL, item.code) is Meaning.ACCEPTED)
        for item in items
    )
    if not successes and not errors:
        return Found(Outcome.RUNNING if running else Outcome.EMPTY)
    if len(successes) >= expected:
        return Found(Outcome.RESULTS, successes, errors, final=True)
    digests = sorted(item.digest for item in errors)
    signature = content_digest(digests, len(successes)) if errors else ""
    final = (
        not running
        and bool(errors)
        and seen.get(signature, 0) + 1
        >= _needed(errors, status, short=len(successes) + len(errors) < expected)
    )
    return _found(successes, errors, signature, running=running, final=final)


def _told_once(items: Sequence[Item], expected: int) -> list[Item]:
    """Leave out what an answer says again.

    Items that are equal are one where their resultIndex says so. Without one they are results that
    are alike, unless the whole answer holds everything twice, or three times: it does where there
    would be more than was asked for. While the task runs more is to come, so the fewest are taken.
    """
    alike: dict[tuple[Kind, str, str], list[Item]] = {}
    for item in items:
        index = item.raw.get("resultIndex")
        place = str(index) if isinstance(index, int) else ""
        alike.setdefault((item.kind, item.digest, place), []).append(item)
    times = _times_told([len(twins) for twins in alike.values()], items, expected)
    kept = {
        id(item)
        for (_, _, place), twins in alike.items()
        for item in (twins[:1] if place else twins[: len(twins) // times])
    }
    return [item for item in items if id(item) in kept]


def _times_told(counts: Sequence[int], items: Sequence[Item], expected: int) -> int:
    common = gcd(*counts) or 1
    if any(item.kind is Kind.PROCESSING for item in items):
        return common
    times, rest = divmod(len(items), expected)
    return times if times and not rest and not common % times else 1


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


def _needed(errors: Sequence[Item], status: int, *, short: bool) -> int:
    doubted = DOUBTED_SIGHTINGS if status in VERDICTLESS_STATUSES else 1
    few = SHORT_SIGHTINGS if short else 1
    return max(few, doubted, *(sightings_needed(error.code) for error in errors))
