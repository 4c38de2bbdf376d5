"""Accepts or refuses `textInference` tasks, and hands them to their delivery (contract §2, §3)."""

from dataclasses import dataclass

from simulator import acknowledge, checks, dry_run, request, stream, sync, validation
from simulator.body import Task
from simulator.errors import Item, error
from simulator.ledger import Ledger
from simulator.media import Media
from simulator.records import Accepted
from simulator.reply import Reply
from simulator.request import Request
from simulator.settings import Switchboard
from simulator.tasktype import Opened, Steady

_DELIVERIES = {"async": acknowledge.deliver, "sync": sync.deliver, "stream": stream.deliver}


@dataclass(frozen=True, slots=True)
class TextInference:
    """Opens `textInference` tasks."""

    board: Switchboard
    ledger: Ledger
    media: Media

    def __call__(self, task: Task) -> Opened:
        """Check a task, once for all that follows."""
        settings = self.board.current
        problems = [
            checks.unknown(name) for name in task.fields if name in settings.unsupported.split(",")
        ] or validation.errors_of(task.fields, settings.uuids, settings.data_uris)
        problems = problems or _stream_problems(task) or self.media.problems(task.fields)
        if problems:
            return _Invalid(task, problems, settings.uuids, self.ledger)
        asked = request.read(task, settings)
        return _Valid(task, asked, self.board, self.ledger)


@dataclass(frozen=True, slots=True)
class _Invalid(Steady):
    """A task with missing, unknown or wrong fields."""

    task: Task
    problems: list[Item]
    uuids: str
    ledger: Ledger

    def answer(self, reply: Reply) -> None:
        reply.refuse(self.task, self.problems)
        reply.singular = _wants_stream(self.task) and reply.tasks == 1
        if reply.dry_run:
            return
        found = self.task.fields.get("taskUUID")
        task_uuid = str(found) if checks.is_task_uuid(found, self.uuids) else None
        self.ledger.note_refused(
            task_uuid, str(self.problems[0]["code"]), self.task.raw, self.problems
        )


@dataclass(frozen=True, slots=True)
class _Valid:
    """A task that is accepted unless the ledger or a directive says no."""

    task: Task
    asked: Request
    board: Switchboard
    ledger: Ledger

    def drops(self) -> bool:
        return self.ledger.drops(self.asked)

    def note_dropped(self) -> None:
        self.ledger.note_dropped(self.asked, self.task.raw)

    def answer(self, reply: Reply) -> None:
        wanted = self.asked.directives
        reply.modes |= wanted.reply or reply.modes
        reply.transfer |= wanted.transfer or reply.transfer
        if reply.dry_run:
            dry_run.answer(self.asked, self.ledger, reply)
        elif self.asked.delivery == "stream" and (problem := self._stream_problem(reply)):
            self.ledger.note_refused(self.asked.task_uuid, str(problem["code"]), self.task.raw)
            reply.refuse(self.task, [problem])
        else:
            self._submit(reply)

    def _submit(self, reply: Reply) -> None:
        decision = self.ledger.submit(self.asked, self.task.raw)
        if isinstance(decision, Accepted):
            reply.bought.append((decision, self.task.raw))
            _DELIVERIES[self.asked.delivery](decision, self.board.current, reply)
            return
        wanted = self.asked.directives
        own_status = None if decision == "conflictTaskUUID" else wanted.status
        reply.refuse(self.task, [error(decision)], own_status)
        reply.retry_after = wanted.retry_after or reply.retry_after
        modes = stream.modes_of(self.asked, self.board.current)
        reply.singular = self.asked.delivery == "stream" and "plural" not in modes

    def _stream_problem(self, reply: Reply) -> Item | None:
        """Refuse a stream that shares its request, or that a switch breaks before it begins."""
        if reply.tasks > 1:
            message = "A task that streams must be the only one of its request."
            return error("invalidDeliveryMethod", message, parameter="deliveryMethod")
        if "json" in stream.modes_of(self.asked, self.board.current):
            reply.status = 200
            return error("inferenceError")
        return None


def _wants_stream(task: Task) -> bool:
    return task.fields.get("deliveryMethod") == "stream"


def _stream_problems(task: Task) -> list[Item]:
    """Refuse several results in one stream: its chunks carry no index (contract §9)."""
    if not _wants_stream(task) or task.fields.get("numberResults", 1) == 1:
        return []
    rule = "must be 1 when deliveryMethod is stream"
    return [checks.invalid("numberResults", rule, type="integer", min=1, max=1)]
