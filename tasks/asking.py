"""Asking about tasks until an answer says something of them: all together, by halves, one alone.

What an answer leaves out, or refuses, is no news of any task: some providers answer for a few of
those asked for, some not at all where one of them is unknown. Silence is believed only where
it is proven.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from tasks import flow, history, ids, strangers, timing
from tasks.claims import Due
from tasks.context import Context, batches_of
from tasks.errors import VERDICTLESS_STATUSES, Category, ProviderAway, category
from tasks.response import Answer
from tasks.verdict_poll import OK, Outcome, is_whole
from tasks.wire.answer import Item, Kind
from tasks.wire.naming import by_task

PLAIN = frozenset(range(400, 500))
TOO_MANY = 429
SERVER_FAULTS = frozenset(range(500, 600))
MOST_UNREAD = 4 * 1024 * 1024
"""Bytes of an answer to a poll that are kept where it cannot be read: as of a callback."""

SILENCE = Answer(OK, (), "", None)
"""What is said of a task that is not there, however a provider says it."""

Named = Mapping[str, Sequence[Item]]
"""What an answer says, by the taskUUID that it names."""


class Heard(Enum):
    """What became of one question."""

    NOTHING = auto()  # there was no answer
    REFUSED = auto()  # an answer that is no news of any task
    NEWS = auto()


@dataclass(frozen=True)
class Inquiry:
    """Questions about tasks that are due.

    Args:
        context: Whom to ask.
        news: Applies an answer that says something of these tasks, or of none.
        no_news: Applies that of this task, asked for alone, nothing was said.
        is_over: Whether the deadline of a task has passed.
    """

    context: Context
    news: Callable[[Sequence[Due], Answer, Named], None]
    no_news: Callable[[Due], None]
    is_over: Callable[[Due], bool]

    def ask(self, due: Sequence[Due], *, plainly: bool = False) -> Heard:
        """Ask for these tasks and apply what is said; `plainly`: nothing more is asked for it."""
        context = self.context
        try:
            answer = context.poll([task.task_uuid for task in due])
        except ProviderAway as away:  # each is due again soon (steps.poll)
            missed = {"reason": str(away), "tasks": len(due), "batch": batches_of(due)}
            context.log.warning("poll.no_answer", **missed)
            self._unanswerable(due)
            return Heard.NOTHING
        context.setbacks.named(answer.retry_after)
        named = _named(answer, due)
        told_of_any = is_whole(answer.status, answer.items) or any(
            task.task_uuid in named for task in due
        )
        if not told_of_any and len(due) == 1 and strangers.is_silence(context, answer):
            answer, told_of_any = SILENCE, True
        if answer.problem or not (told_of_any or answer.status == OK):
            return self._unanswered(due, answer)
        if not told_of_any and (one := self._answered_for(due)):
            return self._ask_halves(_others(due, one), plain=False)
        if told_of_any:
            context.doubts.went_well("uuids", len(due))
        if named and answer.status == OK:
            context.witness.told()
        self.news(due, answer, named)
        if answer.status != OK and not plainly:
            self._beside(due, answer, named)
        told_of = {"tasks": len(due), "named": len(named), "batch": batches_of(due)}
        context.log.info("poll", status=answer.status, **told_of)
        return Heard.NEWS if told_of_any else Heard.REFUSED

    def _beside(self, due: Sequence[Due], answer: Answer, named: Named) -> None:
        """Ask apart, once, for those that an answer with another status tells nothing of."""
        told = [task for task in due if task.task_uuid in named]
        may_ask = answer.status != TOO_MANY or any(map(self.is_over, due))
        if 0 < len(told) < len(due) and may_ask:
            self.ask(_others(due, *told), plainly=True)
        if answer.status not in VERDICTLESS_STATUSES:
            return
        if len(due) == 1:
            self._unanswerable(due)
        else:
            for task in [task for task in told if self.is_over(task)][: history.PROVEN]:
                self.ask([task])

    def _unanswerable(self, due: Sequence[Due]) -> None:
        """Count a failed poll against a task past its deadline.

        That is, if it was asked for alone, and the provider answers for an invented taskUUID.
        """
        if len(due) == 1 and self.is_over(due[0]) and strangers.are_answered(self.context):
            self.no_news(due[0])

    def _unanswered(self, due: Sequence[Due], answer: Answer) -> Heard:
        """Take a refused or unreadable answer as no news; halve where one task may be to blame."""
        problem = {"problem": answer.problem} if answer.problem else {}
        told = {"tasks": len(due), "batch": batches_of(due), **problem}
        self.context.log.warning("poll.refused", status=answer.status, **told)
        codes = [item.code for item in answer.items if item.kind is Kind.ERROR]
        about_us = any(category(code) in {Category.AUTH, Category.QUOTA} for code in codes)
        if answer.status in strangers.REFUSED or about_us:
            return self._refused(due, codes[0] if codes else f"http{answer.status}")
        if answer.status not in VERDICTLESS_STATUSES:
            if len(due) > 1:
                return self._ask_halves(due, plain=answer.status in PLAIN)
            self._keep_unread(due[0], answer)
            self.no_news(due[0])
            return Heard.REFUSED
        is_fault = answer.status in SERVER_FAULTS or any(map(self.is_over, due))
        if is_fault and (one := self._answered_for(due)):
            return self._ask_halves(_others(due, one), plain=False)
        self._unanswerable(due)
        return Heard.REFUSED

    def _refused(self, due: Sequence[Due], code: str) -> Heard:
        """The key or the credit is refused; or, where others are answered for, one task is."""
        context = self.context
        if one := self._answered_for(due):
            return self._ask_halves(_others(due, one), plain=False)
        if len(due) > 1:  # it was asked for alone, and refused
            return Heard.REFUSED
        if strangers.are_answered(context):
            if self.is_over(due[0]):
                self.no_news(due[0])
        elif context.witness.take_pause(context.probe_after):
            context.store.pause("*", f"{code}: polling is refused", context.probe_after)
        return Heard.REFUSED

    def _keep_unread(self, task: Due, answer: Answer) -> None:
        """Keep what was said of a task and cannot be read: it may be a result that was paid for."""
        told = answer.status == OK and task.task_uuid.encode() in answer.unread
        if told and len(answer.unread) <= MOST_UNREAD:
            digest = ids.short_digest(answer.unread)
            self.context.store.quarantine(task.job.id, digest, answer.unread)

    def _answered_for(self, due: Sequence[Due]) -> Due | None:
        """Ask for one of several alone; return it if that brings news, as all together did not.

        A fault of the server, or a 200 without news, rarely means that they were too many.
        """
        if len(due) == 1:
            return None
        one = self.context.random.choice(due)
        return one if self.ask([one]) is Heard.NEWS else None

    def _ask_halves(self, due: Sequence[Due], *, plain: bool) -> Heard:
        """Ask by halves; that both are answered shows a limit, where all was `plain`ly refused."""
        half = (len(due) + 1) // 2
        if {self.ask(part) for part in (due[:half], due[half:]) if part} != {Heard.NEWS}:
            return Heard.REFUSED
        if plain or self.context.doubts.went_badly("uuids", len(due)):
            flow.takes_fewer(self.context.store, self.context.log, "uuids", half)
        return Heard.NEWS


def passed_over(
    context: Context, sent: int, due: Sequence[Due], silent: Sequence[Due]
) -> list[Due]:
    """Return tasks whose silence proves nothing: the answer was not for all that were asked for.

    Silence that would have tasks sent again, bought again or expired is proven by asking for some
    alone.

    Args:
        context: Whom to ask.
        sent: When the answer was asked for; the store's ms.
        due: The tasks it was asked for.
        silent: Those that it does not name.
    """
    settings = context.settings
    grave = [
        task
        for task in silent
        if timing.certainly_absent(settings, context.outages, sent, task)
        or timing.past_deadline(settings, context.outages, sent, task)
        or timing.is_convicted_by_silence(task)
    ]
    some = context.random.sample(grave, min(len(grave), history.PROVEN))
    said = {history.asked_alone(context, task.task_uuid) for task in some}
    if said - {None, Outcome.EMPTY}:
        flow.takes_fewer(context.store, context.log, "uuids", len(due) // 2)
    return [] if said <= {Outcome.EMPTY} else grave


def _named(answer: Answer, due: Sequence[Due]) -> Named:
    alone = due[0].task_uuid if len(due) == 1 else ""
    accused = {task.task_uuid for task in due if task.job.accused}
    return by_task(answer.items, accused, alone=alone)


def _others(due: Sequence[Due], *some: Due) -> list[Due]:
    known = {task.task_uuid for task in some}
    return [task for task in due if task.task_uuid not in known]
