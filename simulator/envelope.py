"""One request to /v1: the key, the array, every task to its handler, the pooled answer (§1)."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from simulator import body as request_body
from simulator.body import Task
from simulator.errors import RefusedError, error, for_task, http_status
from simulator.items import Item
from simulator.ledger import Ledger
from simulator.settings import Settings, Switchboard


@dataclass(slots=True)
class Reply:
    """The answer to one request, as its tasks add to it.

    Attributes:
        data: Acknowledgments and results.
        errors: Refusals and failures, each naming its task.
        tasks: How many tasks the request held.
        refused: How many of them were refused.
        status: HTTP status a directive asks for.
        lost: The connection is closed without an answer.
        html: It is answered as if a proxy had failed.
        hold: Seconds the answer is held back.
    """

    tasks: int
    data: list[Item] = field(default_factory=list)
    errors: list[Item] = field(default_factory=list)
    refused: int = 0
    status: int | None = None
    lost: bool = False
    html: bool = False
    hold: float = 0.0

    def refuse(self, task: Task, errors: list[Item], status: int | None = None) -> None:
        """Refuse one task; the others are not touched."""
        self.errors += [for_task(task.fields, item) for item in errors]
        self.refused += 1
        self.status = status or self.status

    def http_status(self, error_status: int | None) -> int:
        """Return the HTTP status: by default 200 unless every task was refused."""
        if self.status is not None:
            return self.status
        if self.data or not self.errors:
            return 200
        by_contract = http_status(self.errors) if self.refused == self.tasks else 200
        return error_status or by_contract

    def json(self) -> dict[str, list[Item]]:
        """Return the body. `errors` is left out when empty: an empty list upsets the SDKs (§17)."""
        return {"data": self.data} | ({"errors": self.errors} if self.errors else {})


class Opened(Protocol):
    """A task of a known type, ready to be answered."""

    def drops(self) -> bool:
        """Say, before anything is accepted, whether the connection is to be closed."""

    def note_dropped(self) -> None:
        """Record that the connection was closed instead of an answer."""

    def answer(self, reply: Reply) -> None:
        """Do what the task asks, adding to the reply."""


# Opens the tasks of one taskType. A new type is one more file and a line in app.py.
Handler = Callable[[Task], Opened]


@dataclass(frozen=True, slots=True)
class _Unsupported:
    """A task of a type that is missing, or not offered."""

    task: Task
    ledger: Ledger

    def drops(self) -> bool:
        return False

    def note_dropped(self) -> None:
        """Leave no trace: it could not have been accepted."""

    def answer(self, reply: Reply) -> None:
        code, message = "unsupportedTaskType", "This simulator does not offer this taskType yet."
        if "taskType" not in self.task.fields:
            code, message = "missingTaskType", "Missing required parameter 'taskType'."
        self.ledger.note_refused(None, code, self.task.raw)
        reply.refuse(self.task, [error(code, message, parameter="taskType")])


class Envelope:
    """The entry for all task types."""

    def __init__(self, board: Switchboard, ledger: Ledger, handlers: Mapping[str, Handler]) -> None:
        self._board = board
        self._ledger = ledger
        self._handlers = handlers

    def answer(self, authorization: str | None, body: bytes) -> Reply:
        """Answer one request.

        Args:
            authorization: The header of that name.
            body: The request body.

        Raises:
            RefusedError: The request as a whole is refused.
        """
        settings = self._board.current
        _check_key(authorization, settings)
        tasks = request_body.tasks(body)
        self._count_polls(tasks)
        _check_whole(tasks, settings)
        opened = [self._open(task) for task in tasks]
        # Every task is asked, so that each of them counts this use of its directive.
        dropped = sum(task.drops() for task in opened) > 0
        reply = Reply(tasks=len(tasks), lost=dropped)
        for task in opened:
            if dropped:
                task.note_dropped()
            else:
                task.answer(reply)
        return reply

    def _open(self, task: Task) -> Opened:
        task_type = task.fields.get("taskType")
        handler = self._handlers.get(task_type) if isinstance(task_type, str) else None
        return handler(task) if handler else _Unsupported(task, self._ledger)

    def _count_polls(self, tasks: list[Task]) -> None:
        self._ledger.count_polls(
            sum(task.fields.get("taskType") == "getResponse" for task in tasks)
        )


def _check_whole(tasks: list[Task], settings: Settings) -> None:
    """Refuse a request as a whole, naming no task."""
    if settings.max_tasks is not None and len(tasks) > settings.max_tasks:
        message = f"A request may hold at most {settings.max_tasks} tasks."
        raise RefusedError(400, error("maxTasksExceeded", message))
    buys = any(task.fields.get("taskType") != "getResponse" for task in tasks)
    if settings.insufficient_credits and buys:
        raise RefusedError(402, error("insufficientCredits"))


def _check_key(authorization: str | None, settings: Settings) -> None:
    scheme, _, key = (authorization or "").partition(" ")
    if not authorization:
        raise _unauthorized("missingApiKey")
    known = scheme.lower() == "bearer" and bool(key.strip())
    if settings.api_key is not None:
        known = known and hmac.compare_digest(key.strip().encode(), settings.api_key.encode())
    if not known or settings.reject_key:
        raise _unauthorized("invalidApiKey")


def _unauthorized(code: str) -> RefusedError:
    return RefusedError(401, error(code, parameter="apiKey", taskType="authentication"))
