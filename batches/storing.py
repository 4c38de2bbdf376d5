"""What an answer of the media storage means for an upload. Pure."""

from dataclasses import dataclass

from batches.contents import Unusable
from tasks.errors import Category, Error, category
from tasks.response import Answer
from tasks.wire.media import Stored

_OK, _TOO_LARGE = 200, 413
_BUSY = frozenset({408, 429}) | frozenset(range(500, 600))
_UNWELCOME = {
    401: "is RUNWARE_API_KEY right?",
    402: "the account needs credit",
    403: "is RUNWARE_API_KEY right?",
}
_MISDIRECTED = frozenset({404, 405, *range(300, 400)})
_PASSING = frozenset({Category.RATE_LIMIT, Category.SERVER, Category.TIMEOUT, Category.PROVIDER})
_VAGUE = (None, Category.UNKNOWN, Category.SERVER)
_FINAL = frozenset({Category.VALIDATION, Category.SAFETY, Category.MEDIUM, Category.GONE})


@dataclass(frozen=True)
class Said:
    """What became of one try."""

    media_uuid: str = ""
    waits: bool = False  # it was taken, and is not ready yet
    reason: str = ""  # why it may be tried again
    of_the_file: bool = False  # the reason speaks of this file, not of the provider
    retry_after: float | None = None  # seconds that the provider asks for


def judged(answer: Answer, stored: Stored) -> Said:
    """Return what the direct answer to an upload says.

    Raises:
        Unusable: the file is refused, and would be again.
        Error: every file would be.
    """
    if stored.media_uuid:
        return Said(stored.media_uuid)
    told = _words(stored) or f"HTTP {answer.status}"
    kind = category(stored.code) if stored.code else None
    _check_welcome(answer.status, kind, told)
    if kind in _PASSING or (answer.status in _BUSY and kind not in _FINAL):
        mine = kind is not None and answer.status not in _BUSY
        return Said(reason=told, of_the_file=mine, retry_after=answer.retry_after)
    if kind is Category.CONFLICT:
        return Said(waits=True)
    if answer.status == _TOO_LARGE:
        raise Unusable(f"is too large for the provider: {told}")
    if kind or answer.status != _OK:
        raise Unusable(f"was refused by the provider: {told}")
    return Said(reason=answer.problem) if answer.problem else Said(waits=True)


def _words(stored: Stored) -> str:
    """Return what the provider itself said of an upload; of an error it may give a code alone."""
    return f"{stored.code}: {stored.message}".strip(": ")


def _check_welcome(status: int, kind: Category | None, told: str) -> None:
    hint = _UNWELCOME.get(status)
    if kind is Category.AUTH:
        hint = _UNWELCOME[401]
    elif kind is Category.QUOTA:
        hint = _UNWELCOME[402]
    elif status in _MISDIRECTED and kind in _VAGUE:
        hint = "is RUNWARE_BASE_URL right?"
    if hint:
        raise Error(f"the provider takes no files: {told} ({hint}). The same command goes on")


def polled(answer: Answer, stored: Stored) -> Said | None:
    """Return what a poll says of an upload, empty where it knows none; None where it is no answer.

    Raises:
        Unusable: as of `judged`.
    """
    if stored.media_uuid:
        return Said(stored.media_uuid)
    if answer.status in _BUSY or answer.status in _UNWELCOME:
        return None  # it speaks of the poll
    kind = category(stored.code) if stored.code else None
    if kind in _FINAL:
        raise Unusable(f"was refused by the provider: {_words(stored)}")
    if kind is Category.PROVIDER or kind is Category.TIMEOUT:
        return Said(reason=_words(stored), of_the_file=True)
    return Said(waits=stored.is_known and kind is None)
