"""Answers `getResponse`, the poll: cumulative, pooled over the tasks of a request (contract §4)."""

import time
from dataclasses import dataclass

from simulator import items
from simulator.body import Task
from simulator.checks import any_uuid, check_fields, one_of
from simulator.errors import Item, error, for_task
from simulator.ledger import Ledger
from simulator.media import Media
from simulator.records import Progress
from simulator.reply import Reply
from simulator.settings import Switchboard
from simulator.tasktype import Opened, Steady
from simulator.words import Modes

_CHECKS = {"taskType": one_of("getResponse"), "taskUUID": any_uuid}


@dataclass(frozen=True, slots=True)
class GetResponse:
    """Opens `getResponse` tasks."""

    board: Switchboard
    ledger: Ledger
    media: Media

    def __call__(self, task: Task) -> Opened:
        """Open one poll."""
        return _Poll(task, self.board, self.ledger, self.media)


@dataclass(frozen=True, slots=True)
class _Poll(Steady):
    """One poll for one taskUUID."""

    task: Task
    board: Switchboard
    ledger: Ledger
    media: Media

    def answer(self, reply: Reply) -> None:
        fields = self.task.fields
        if problems := list(check_fields("", fields, _CHECKS, ("taskUUID",))):
            reply.refuse(self.task, problems)
            return
        task_uuid = str(fields["taskUUID"])
        if progress := self.ledger.progress(task_uuid):
            self._show(progress, reply)
        elif (upload := self.media.upload_of(task_uuid)) is not None:
            reply.data.append(upload.polled(self.board.current.poll))
        elif self.board.current.unknown != "empty":
            self._fail(self.board.current.unknown, reply)

    def _show(self, progress: Progress, reply: Reply) -> None:
        asked, settings = progress.purchase.request, self.board.current
        wanted = asked.directives
        reply.modes |= wanted.reply or reply.modes
        reply.transfer |= wanted.transfer or reply.transfer
        modes = settings.poll if wanted.poll is None else wanted.poll
        if progress.expired:
            self._expire(wanted.expired or settings.expired, reply)
        elif "forever_empty" not in modes:
            data, errors = items.polled(asked, progress.finished, modes)
            reply.data += data + _running(progress, modes)
            reply.errors += errors
            reply.status = (wanted.status if errors else None) or reply.status
            reply.polled += progress.finished

    def _expire(self, how: str, reply: Reply) -> None:
        code = self.board.current.unknown if how == "as_unknown" else how
        if code != "empty":
            self._fail(code, reply)

    def _fail(self, code: str, reply: Reply) -> None:
        reply.errors.append(for_task(self.task.fields, error(code, status="error")))


def _running(progress: Progress, modes: Modes) -> list[Item]:
    if not progress.pending or "empty" in modes:
        return []
    began, ends = progress.purchase.accepted_at, progress.purchase.finish_at
    share = min(1.0, (time.monotonic() - began) / max(ends - began, 0.001))
    return items.processing(progress.purchase.request, progress.pending, modes, share)
