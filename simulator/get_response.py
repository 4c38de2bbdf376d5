"""Answers `getResponse`, the poll: cumulative, pooled over the tasks of a request (contract §4)."""

from dataclasses import dataclass

from simulator import items, validation
from simulator.body import Task
from simulator.envelope import Opened, Reply
from simulator.errors import error, for_task
from simulator.ledger import Ledger
from simulator.records import Progress
from simulator.settings import Switchboard


@dataclass(frozen=True, slots=True)
class GetResponse:
    """Opens `getResponse` tasks."""

    board: Switchboard
    ledger: Ledger

    def __call__(self, task: Task) -> Opened:
        """Open one poll."""
        return _Poll(task, self.board, self.ledger)


@dataclass(frozen=True, slots=True)
class _Poll:
    """One poll for one taskUUID."""

    task: Task
    board: Switchboard
    ledger: Ledger

    def drops(self) -> bool:
        return False

    def note_dropped(self) -> None:
        """Leave no trace: it showed nothing."""

    def answer(self, reply: Reply) -> None:
        fields = self.task.fields
        if problems := validation.errors_of_poll(fields):
            reply.refuse(self.task, problems)
            return
        progress = self.ledger.progress(str(fields["taskUUID"]))
        if progress is not None:
            self._show(progress, reply)
        elif self.board.current.unknown == "taskNotFound":
            reply.errors.append(for_task(fields, error("taskNotFound", status="error")))

    def _show(self, progress: Progress, reply: Reply) -> None:
        asked = progress.purchase.request
        chosen = asked.directives.poll
        modes = self.board.current.poll if chosen is None else chosen
        if "forever_empty" in modes:
            return
        data, errors = items.polled(asked, progress.finished, modes)
        if progress.pending and "empty" not in modes:
            data.append(items.processing(asked, modes))
        reply.data += data
        reply.errors += errors
        if errors and asked.directives.status is not None:
            reply.status = asked.directives.status
        for result in progress.finished:
            result.polled = True
