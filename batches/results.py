"""The table out: one row per result, in manifest order, with the user's own columns."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tasks import reading, reading_requests, reading_results
from tasks.job import ENDED, Record, State
from tasks.money import usd
from tasks.reading_requests import Request
from tasks.store import Store
from tasks.wire.answer import Item, Kind
from tasks.wire.result import Result

_ANSWER = (
    *("text", "finish_reason", "reasoning", "seed", "cost"),
    *("prompt_tokens", "completion_tokens", "thinking_tokens"),
)

PAGE = 100
"""Jobs read at once; each may hold several results of half a megabyte."""


def table(store: Store, batch_id: str, *, simulated: bool) -> Iterator[dict[str, Any]]:
    """Yield the rows of a batch's table; money is Decimal USD, times RFC 3339 UTC."""
    for jobs in reading.rows(store, batch_id, PAGE):
        known = [record for record in reading.records(store, jobs) if record]
        columns = (
            known,
            reading_requests.each_request(store, [(record.id, batch_id) for record in known]),
            reading_results.failures(store, [record.id for record in known]),
            reading_results.answers(store, known),
        )
        for record, request, failure, items in zip(*columns, strict=True):
            yield from job_rows(record, request, failure, items, simulated=simulated)


def job_rows(
    record: Record,
    request: Request,
    failure: tuple[str, str],
    items: Sequence[Item],
    *,
    simulated: bool,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one job: one per result, or one that says how it stands."""
    common = {
        "custom_id": request.custom_id,
        "job_id": record.id,
        "task_uuid": record.task_uuid,
        "state": record.state.value,
    }
    after = {
        "attempts": sum(1 for attempt in record.attempts if attempt.submitted_at),
        "queued_at": moment(record.queued_at),
        "submitted_at": moment(record.submitted_at),
        "completed_at": moment(record.ended_at),
        "simulated": simulated,
    }
    shown = items if record.winner else []
    answers = [_answer(item) for item in shown] or [_no_answer(record, failure)]
    if _fell_short(record, shown):
        answers.append(_no_answer(record, failure) | {"cost": None})
    # What other attempts cost stands on the first row, so that the column adds up to the bill.
    others = record.cost - sum(item.cost or 0 for item in shown)
    if shown and others > 0:
        answers[0]["cost"] = (answers[0]["cost"] or 0) + Decimal(usd(others))
    for index, answer in enumerate(answers):
        position: dict[str, Any] = {"result_index": index if shown else None}
        if index < len(shown) and shown[index].task_uuid:  # of several attempts each has its own
            position["task_uuid"] = shown[index].task_uuid
        yield _ordered({**common, **position, **answer, **after}) | dict(request.columns)


def _fell_short(record: Record, shown: Sequence[Item]) -> bool:
    """Whether a job lacks results of which its last attempt brought not even an error."""
    tried = record.state is State.PARTIAL and record.attempt not in record.kept
    return tried and bool(shown) and all(item.kind is Kind.SUCCESS for item in shown)


def _ordered(row: dict[str, Any]) -> dict[str, Any]:
    times = ("queued_at", "submitted_at", "completed_at", "simulated")
    last = ("attempts", "error_code", "error_message", *times)
    return {k: v for k, v in row.items() if k not in last} | {k: row[k] for k in last}


def _answer(item: Item) -> dict[str, Any]:
    result = Result.model_validate(dict(item.raw)) if item.kind is Kind.SUCCESS else Result()
    usage = result.usage
    thoughts = result.reasoningContent
    return {
        "text": result.text,
        "finish_reason": result.finishReason,
        "reasoning": "\n".join(map(str, thoughts)) if isinstance(thoughts, list) else thoughts,
        "seed": result.seed,
        "cost": None if item.cost is None else Decimal(usd(item.cost)),
        "prompt_tokens": usage.promptTokens if usage else None,
        "completion_tokens": usage.completionTokens if usage else None,
        "thinking_tokens": usage.thinkingTokens if usage else None,
        "error_code": item.code if item.kind is Kind.ERROR else None,
        "error_message": (item.message or None) if item.kind is Kind.ERROR else None,
    }


def _no_answer(record: Record, failure: tuple[str, str]) -> dict[str, Any]:
    ended_badly = record.state in ENDED and record.state is not State.COMPLETED
    code, message = failure if ended_badly else ("", "")
    empty = dict.fromkeys(_ANSWER)
    return {
        **empty,
        "cost": Decimal(usd(record.cost)) if record.cost else None,
        "error_code": code or None,
        "error_message": message or None,
    }


def moment(ms: int | None) -> str | None:
    """Return milliseconds since the epoch as RFC 3339 in UTC."""
    if ms is None:
        return None
    text = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
