"""Accepts or refuses `textInference` tasks (contract §2, §3)."""

from dataclasses import dataclass

from simulator import items, request, validation
from simulator.body import Task
from simulator.envelope import Opened, Reply
from simulator.errors import error
from simulator.items import Item
from simulator.ledger import Ledger
from simulator.outcomes import Purchase
from simulator.records import Accepted
from simulator.request import Request
from simulator.settings import Switchboard
from simulator.webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class TextInference:
    """Opens `textInference` tasks; asynchronous delivery only."""

    board: Switchboard
    ledger: Ledger
    webhooks: Webhooks

    def __call__(self, task: Task) -> Opened:
        """Check a task, once for all that follows."""
        if problems := _problems(task):
            return _Invalid(task, problems, self.ledger)
        asked = request.read(task, self.board.current.directives)
        return _Valid(task, asked, self.ledger, self.webhooks)


@dataclass(frozen=True, slots=True)
class _Invalid:
    """A task with missing, unknown or wrong fields."""

    task: Task
    problems: list[Item]
    ledger: Ledger

    def drops(self) -> bool:
        return False

    def note_dropped(self) -> None:
        """Leave no trace: it could not have been accepted."""

    def answer(self, reply: Reply) -> None:
        task_uuid = _legible_uuid(self.task)
        self.ledger.note_refused(task_uuid, str(self.problems[0]["code"]), self.task.raw)
        reply.refuse(self.task, self.problems)


@dataclass(frozen=True, slots=True)
class _Valid:
    """A task that is accepted unless the ledger or a directive says no."""

    task: Task
    asked: Request
    ledger: Ledger
    webhooks: Webhooks

    def drops(self) -> bool:
        return self.ledger.drops(self.asked)

    def note_dropped(self) -> None:
        self.ledger.note_dropped(self.asked, self.task.raw)

    def answer(self, reply: Reply) -> None:
        decision = self.ledger.submit(self.asked, self.task.raw)
        if isinstance(decision, Accepted):
            self.webhooks.expect(decision)
            _acknowledge(decision.purchase, reply)
        else:
            own_status = None if decision == "conflictTaskUUID" else self.asked.directives.status
            reply.refuse(self.task, [error(decision)], own_status)


def _problems(task: Task) -> list[Item]:
    return validation.errors_of(task.fields) or _delivery_problems(task)


def _delivery_problems(task: Task) -> list[Item]:
    """Refuse what is documented and not offered here yet: `sync`, the default, and `stream`."""
    method = task.fields.get("deliveryMethod", "sync")
    if method == "async" or (method == "sync" and "webhookURL" in task.fields):
        return []
    message = f"deliveryMethod {method} is not offered by this simulator yet; use async."
    return [error("unsupportedDeliveryMethod", message, parameter="deliveryMethod")]


def _legible_uuid(task: Task) -> str | None:
    found = task.fields.get("taskUUID")
    return found if isinstance(found, str) and validation.UUID4.fullmatch(found) else None


def _acknowledge(purchase: Purchase, reply: Reply) -> None:
    """Name the accepted task in the answer, or not, as its directive says."""
    asked, ack = purchase.request, purchase.request.directives.ack
    reply.lost = reply.lost or "lost" in ack
    reply.html = reply.html or "500" in ack
    reply.hold = max(reply.hold, ack.argument("late", 0) if "late" in ack else 0)
    if "final" in ack:
        data, errors = items.polled(asked, purchase.results, ack)
        reply.data += data
        reply.errors += errors
    elif "unnamed" not in ack:
        reply.data.append(items.names(asked))
