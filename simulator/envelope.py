"""One request to /v1: the key, the array, every task to its handler, the pooled answer (§1)."""

from collections.abc import Mapping
from dataclasses import dataclass

from simulator import authentication
from simulator import body as request_body
from simulator.body import Task
from simulator.errors import RefusedError, error, for_task
from simulator.ledger import Ledger
from simulator.reply import Reply, singular
from simulator.settings import Settings, Switchboard
from simulator.tasktype import Handler, Opened, Steady

# What is free of charge, and so is answered without credits.
_FREE = frozenset(
    {"getResponse", "getTaskDetails", "accountManagement", "mediaStorage", "imageUpload"}
    | {"ping", authentication.TASK_TYPE}
)


@dataclass(frozen=True, slots=True)
class _Unsupported(Steady):
    """A task of a type that is missing, or not offered."""

    task: Task
    ledger: Ledger

    def answer(self, reply: Reply) -> None:
        code, message = "unsupportedTaskType", "This simulator does not offer this taskType."
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

    def answer(self, authorization: str | None, body: bytes, *, dry_run: bool = False) -> Reply:
        """Answer one request.

        Args:
            authorization: The header of that name.
            body: The request body.
            dry_run: The request asks for checks and cost alone (contract §10).

        Raises:
            RefusedError: The request as a whole is refused.
        """
        settings = self._board.current
        tasks = _read(authorization, body, settings)
        try:
            authentication.check(authorization, tasks, settings)
            self._count_polls(tasks)
            _check_numbers(tasks, settings)
            self._check_credits(tasks, settings)
        except RefusedError as refusal:
            raise _before_stream(refusal, tasks) from refusal
        return self._answer_all(tasks, settings, dry_run=dry_run and settings.dry_run == "honoured")

    def _answer_all(self, tasks: list[Task], settings: Settings, *, dry_run: bool) -> Reply:
        opened = [self._open(task) for task in tasks]
        reply = Reply(
            tasks=sum(_type(task) != authentication.TASK_TYPE for task in tasks),
            dry_run=dry_run,
            modes=settings.reply,
            transfer=settings.transfer,
        )
        # Every task is asked, so that each of them counts this use of its directive.
        reply.lost = not dry_run and sum(task.drops() for task in opened) > 0
        dropped = reply.lost
        for task in opened:
            if dropped:
                task.note_dropped()
            else:
                task.answer(reply)
        return reply

    def _open(self, task: Task) -> Opened:
        handler = self._handlers.get(_type(task))
        return handler(task) if handler else _Unsupported(task, self._ledger)

    def _count_polls(self, tasks: list[Task]) -> None:
        self._ledger.count_polls(sum(_type(task) == "getResponse" for task in tasks))

    def _check_credits(self, tasks: list[Task], settings: Settings) -> None:
        spent = settings.insufficient_credits
        if settings.balance_enforced:
            with self._ledger.reading() as ledger:
                spent = spent or ledger.balance(settings.balance) <= 0
        if spent and any(_type(task) not in _FREE for task in tasks):
            raise RefusedError(402, error("insufficientCredits"))


def _type(task: Task) -> str:
    found = task.fields.get("taskType")
    return found if isinstance(found, str) else ""


def _read(authorization: str | None, body: bytes, settings: Settings) -> list[Task]:
    """Split the body; what is illegible is refused only with a good key in the header."""
    try:
        return request_body.tasks(body)
    except RefusedError:
        authentication.check(authorization, [], settings)
        raise


def _check_numbers(tasks: list[Task], settings: Settings) -> None:
    """Refuse a request as a whole, naming no task."""
    types = [kind for kind in map(_type, tasks) if kind != authentication.TASK_TYPE]
    for limit, count, name in (
        (settings.max_tasks, len(types), "tasks"),
        (settings.max_submissions, types.count("textInference"), "textInference tasks"),
        (settings.max_polls, types.count("getResponse"), "getResponse tasks"),
    ):
        if limit is not None and count > limit:
            message = f"A request may hold at most {limit} {name}."
            raise RefusedError(400, error("maxTasksExceeded", message))


def _before_stream(refusal: RefusedError, tasks: list[Task]) -> RefusedError:
    """Write the refusal of a request that asked for a stream as one `error` object (§6)."""
    streams = [task for task in tasks if task.fields.get("deliveryMethod") == "stream"]
    if not streams:
        return refusal
    named = for_task(streams[0].fields, refusal.error)
    return RefusedError(refusal.status, refusal.error, singular(named))
