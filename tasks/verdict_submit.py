"""What the direct answer to a POST says of each task. Pure: from items to a decision, no I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tasks.errors import (
    OF_THE_INPUT,
    REQUEST_TOO_LARGE,
    Category,
    Meaning,
    Road,
    category,
    meaning,
)
from tasks.wire.answer import Item, Kind
from tasks.wire.naming import by_task

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

PRECEDENCE = (
    *(Meaning.ACCEPTED, Meaning.UNCLEAR),
    *(Meaning.PAUSE, Meaning.REJECTED, Meaning.WAIT),
)
"""Of several errors of one task the one that comes first here decides: the likeliest purchase."""


CONFLICT = 409
"""Status that one task alone may get because its taskUUID is in use: it is looked for."""

MOST_RESULTS = 32
"""Results of an acknowledgment that are kept at once: eight times a task's; polls tell all."""


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


def _named(items: Sequence[Item], status: int) -> Told:
    results = tuple(item for item in items if item.kind is Kind.SUCCESS)[:MOST_RESULTS]
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
    """Whether a code is not known to mean anything."""
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
    if status < 400 or (status == CONFLICT and alone):  # noqa: PLR2004  a success says nothing
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
