"""What the provider answers for a taskUUID that cannot exist.

It is the control for judging what it says of one of ours. The contract leaves open what a poll for
an unknown task is answered (§16). Some providers name it, some answer 404, or refuse it; and some
may fail for ever over one task alone.
"""

import uuid

from tasks.context import Context
from tasks.errors import VERDICTLESS_STATUSES, Category, ProviderAway, category
from tasks.response import Answer
from tasks.verdict_poll import OK, is_whole
from tasks.wire.answer import Kind

OF_THE_POLL = frozenset({Category.AUTH, Category.QUOTA, Category.RATE_LIMIT, Category.SERVER})
"""Categories that say nothing of a task, whoever hears them."""

REFUSED = frozenset({401, 402, 403})
"""HTTP statuses of a refused key, or of no credit: nobody is told anything."""

NOT_THERE = frozenset({404, 410})
"""HTTP statuses that may be said of a task; of a whole POST they say that its URL is wrong."""

NOT_FOUND = "notfound"
"""Part of the codes that can only come from somebody who looked for the task."""


def is_silence(context: Context, answer: Answer) -> bool:
    """Whether an answer for one task says no more than that for an invented one.

    What a gateway may answer for a provider that is away counts only beside fresh news of others.
    """
    codes = _codes(answer)
    if answer.status in VERDICTLESS_STATUSES or answer.problem:
        return False
    if any(category(code) in OF_THE_POLL for code in codes):
        return False
    has_looked = bool(codes) and all(NOT_FOUND in code.lower() for code in codes)
    is_vouched = answer.status in NOT_THERE and context.witness.told_lately()
    if not (has_looked or is_vouched):
        return False
    told = _asked(context)
    return told is not None and (told.status, _codes(told)) == (answer.status, codes)


def are_answered(context: Context) -> bool:
    """Whether an invented task is answered for, so that one which is not is itself at fault."""
    told = _asked(context)
    return told is not None and told.status not in VERDICTLESS_STATUSES


def _asked(context: Context) -> Answer | None:
    stranger = str(uuid.uuid4())
    try:
        told = context.poll([stranger])
    except ProviderAway:
        return None
    if _is_providers(told, stranger):
        context.outages.heard(context.store, context.settings, context.store.now())
    return told


def _is_providers(told: Answer, stranger: str) -> bool:
    """Whether the provider itself has answered: a page of somebody between is often a 200, too."""
    if told.status in VERDICTLESS_STATUSES or told.status in REFUSED:
        return False
    is_read = not told.problem and (bool(_codes(told)) or is_whole(told.status, told.items))
    return told.status != OK or is_read or stranger.encode() in told.unread


def _codes(answer: Answer) -> tuple[str, ...]:
    return tuple(item.code for item in answer.items if item.kind is Kind.ERROR)
