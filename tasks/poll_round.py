"""One round of polling: which due tasks are asked for together, which alone, which not yet."""

from collections.abc import Sequence

from tasks.asking import Heard, Inquiry
from tasks.claims import Due


def ask_in_turn(inquiry: Inquiry, sent: int, due: Sequence[Due]) -> None:
    """Ask for the tasks of a claim; those that no answer came to are due again.

    Args:
        inquiry: How they are asked for.
        sent: When they were claimed: the store's ms.
        due: The tasks, held since.
    """
    context = inquiry.context
    together, alone = context.unanswered.apart(due)
    heard = _ask(inquiry, sent, together or alone[:1])
    left = alone if together else alone[1:]
    if together and left and heard is not Heard.NOTHING:
        _ask(inquiry, sent, left[:1])
        left = left[1:]
    context.store.unhold(sent, left, context.setbacks.next_wait() if heard is Heard.NOTHING else 0)


def _ask(inquiry: Inquiry, sent: int, due: Sequence[Due]) -> Heard:
    """Ask for tasks at once; those that no answer came to are due again soon."""
    context, heard = inquiry.context, inquiry.ask(due)
    if heard is not Heard.NOTHING:
        context.portion.was_answered(len(due))
        context.unanswered.answered(due)
    elif len(due) == 1:
        context.unanswered.missed(due)
    elif inquiry.ask([context.random.choice(due)]) is not Heard.NOTHING:
        # The provider is there: the answer to all is too large, or one task of them spoils it.
        context.portion.was_not(len(due))
        context.unanswered.missed(due)
        context.setbacks.are_over()
    if heard is Heard.NEWS:
        context.setbacks.are_over()
    else:
        context.store.unhold(sent, due, context.setbacks.next_wait())
    return heard
