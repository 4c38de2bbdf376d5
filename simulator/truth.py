"""What really happened, as JSON: the table that tests hold other records against."""

import base64
import dataclasses
import hashlib
import time
from collections.abc import Callable

from simulator.answers import Answer
from simulator.ledger import Ledger
from simulator.media import Medium
from simulator.outcomes import Purchase, Result
from simulator.records import Submission, TaskRecord

Json = dict[str, object]


def table(ledger: Ledger, *, with_tasks: bool) -> Json:
    """Return the totals, and on request every task."""
    with ledger.reading():
        shown: Json = {
            "totals": dataclasses.asdict(ledger.totals),
            "uses": dict(ledger.counts.uses),
        }
        if with_tasks:
            on_wall = _wall_clock()
            shown["tasks"] = [_task(record, on_wall) for record in ledger.tasks.values()]
    return shown


def one(ledger: Ledger, task_uuid: str) -> Json | None:
    """Return one task with every submission of it as it was received, or None."""
    with ledger.reading():
        record = ledger.tasks.get(task_uuid)
        if record is None:
            return None
        return _task(record, _wall_clock()) | {
            "submissions": [_submission(submission) for submission in record.submissions]
        }


def medium(stored: Medium) -> Json:
    """Return one uploaded medium."""
    ready = "ready" if time.monotonic() >= stored.ready_at else "not_ready"
    return {
        "mediaUUID": stored.media_uuid,
        "source": stored.source,
        "sha256": stored.sha256,
        "size": stored.size,
        "state": "deleted" if stored.deleted else ready,
        "uploads": stored.uploads,
    }


def _wall_clock() -> Callable[[float], float]:
    """Return the conversion of monotonic times to Unix seconds."""
    offset = time.time() - time.monotonic()
    return lambda moment: round(moment + offset, 3)


def _task(record: TaskRecord, on_wall: Callable[[float], float]) -> Json:
    now = time.monotonic()
    last = record.purchases[-1] if record.purchases else None
    over = last is not None and last.finish_at <= now
    return {
        "taskUUID": record.task_uuid,
        "fingerprint": record.fingerprint,
        "state": _state(last, now),
        "purchases": len(record.purchases),
        "submissions": len(record.submissions),
        "conflicts": record.conflicts,
        "refused": record.refused,
        "delivery": last.request.delivery if last else None,
        "number_results": last.request.number_results if last else None,
        "charged_nano": record.charged_nano,
        "delivered_by_poll": last is not None and all(r.polled for r in last.results),
        "results": [_result(p, r, now) for p in record.purchases for r in p.results],
        "webhook_statuses": list(record.webhook_statuses),
        "accepted_at": on_wall(last.accepted_at) if last else None,
        "finished_at": on_wall(last.finish_at) if last and over else None,
    }


def _state(purchase: Purchase | None, now: float) -> str:
    if purchase is None:
        return "not_accepted"
    if purchase.finish_at > now:
        return "processing"
    kinds = {_kind(result) for result in purchase.results}
    return kinds.pop() if len(kinds) == 1 else "partial"


def _kind(result: Result) -> str:
    return "success" if isinstance(result.outcome, Answer) else "error"


def _result(purchase: Purchase, result: Result, now: float) -> Json:
    said = result.outcome
    text = said.text if isinstance(said, Answer) else None
    return {
        "purchase": purchase.number,
        "index": result.index,
        "finished": result.finish_at <= now,
        "kind": _kind(result),
        "code": said if isinstance(said, str) else None,
        # Surrogates that stand alone have no UTF-8; "surrogatepass" gives them bytes.
        "text_sha256": text
        and hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest(),
        "cost_nano": result.cost_nano,
        "delivered_by_poll": result.polled,
        "delivered_in_answer": result.answered,
        "webhooks": {
            "sent": result.webhooks_sent,
            "acknowledged": result.webhooks_acknowledged,
        },
    }


def _submission(submission: Submission) -> Json:
    body = submission.body
    return {
        "outcome": submission.outcome,
        "sha256": submission.sha256,
        "size": submission.size,
        "body_base64": None if body is None else base64.b64encode(body).decode(),
    }
