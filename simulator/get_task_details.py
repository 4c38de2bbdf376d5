"""Answers `getTaskDetails`: the archive of a task's last request and response (contract §11)."""

import json
import time
from dataclasses import dataclass

from simulator import items
from simulator.answers import Answer
from simulator.body import Task
from simulator.checks import any_uuid, check_fields, one_of
from simulator.errors import Item, error
from simulator.ledger import Ledger
from simulator.outcomes import Purchase, Result
from simulator.records import TaskRecord
from simulator.reply import Reply
from simulator.settings import Switchboard
from simulator.tasktype import Opened, Steady
from simulator.words import NO_MODES, Modes

_CHECKS = {"taskType": one_of("getTaskDetails"), "taskUUID": any_uuid}
_NO_STATUS = Modes({"nostatus": None})


@dataclass(frozen=True, slots=True)
class GetTaskDetails:
    """Opens `getTaskDetails` tasks."""

    board: Switchboard
    ledger: Ledger

    def __call__(self, task: Task) -> Opened:
        """Open one."""
        return _Details(task, self.board, self.ledger)


@dataclass(frozen=True, slots=True)
class _Details(Steady):
    task: Task
    board: Switchboard
    ledger: Ledger

    def answer(self, reply: Reply) -> None:
        fields = self.task.fields
        if problems := list(check_fields("", fields, _CHECKS, ("taskUUID",))):
            reply.refuse(self.task, problems)
            return
        settings = self.board.current
        with self.ledger.reading() as ledger:
            record = ledger.tasks.get(str(fields["taskUUID"]))
            found = _archived(record, settings.details_errors) if record else None
        if found is None:
            reply.refuse(self.task, [error("taskNotFound")])
        else:
            cut = _cut(found, settings.details_limit)
            reply.data.append({"taskType": "getTaskDetails", "taskUUID": fields["taskUUID"]} | cut)


def _archived(record: TaskRecord, form: str) -> Item | None:
    """Return the last request that was answered, with its answer: a refusal hides a success."""
    answered = [one for one in record.submissions if one.outcome != "dropped"]
    if not answered:
        return None
    last = answered[-1]
    request = [json.loads(last.body)] if last.body is not None else []
    if last.outcome != "accepted":
        errors = last.errors or [error(last.outcome)]
        named = [item | {"taskUUID": record.task_uuid} for item in errors]
        return {"request": request, "response": {"errors": named}}
    return {"request": request, "response": _response(record.purchases[-1], form)}


def _response(purchase: Purchase, form: str) -> Item:
    asked, now = purchase.request, time.monotonic()
    finished = [result for result in purchase.results if result.finish_at <= now]
    if not finished:
        return {"data": [items.names(asked)] if asked.delivery == "async" else []}
    if form == "provider" and not any(isinstance(r.outcome, Answer) for r in finished):
        return {"response": items.names(asked) | {"errors": _provider_failure(finished[0])}}
    modes = NO_MODES if asked.delivery == "async" else _NO_STATUS
    data, errors = items.polled(asked, finished, modes)
    shown: Item = {"data": data, "errors": errors}
    return {key: some for key, some in shown.items() if some}


def _provider_failure(result: Result) -> Item:
    """Write a failure as one was met in a real archive (contract §11)."""
    return {"errorCode": result.outcome, "additionalDetails": {"responseStatusCode": 502}}


def _cut(value: Item, limit: int) -> Item:
    """Cut every string that is longer than so many bytes."""
    return {key: _cut_any(inner, limit) for key, inner in value.items()}


def _cut_any(value: object, limit: int) -> object:
    if isinstance(value, dict):
        return _cut(value, limit)
    if isinstance(value, list):
        return [_cut_any(inner, limit) for inner in value]
    return _cut_text(value, limit) if isinstance(value, str) else value


def _cut_text(text: str, limit: int) -> str:
    written = text.encode(errors="surrogatepass")
    if len(written) <= limit:
        return text
    kept = written[:limit].decode(errors="ignore")
    redacted = len(written) - len(kept.encode())
    return f"{kept}...[REDACTED {redacted} bytes]..."
