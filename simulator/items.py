"""How a finished result is written: in a poll, in an acknowledgment, in a webhook (§4, §5, §8)."""

from simulator.answers import Answer
from simulator.errors import Item, error
from simulator.outcomes import Result
from simulator.request import Request
from simulator.validation import SEEDS
from simulator.words import NO_MODES, Modes

_NANO = 1_000_000_000
_UNKNOWN_FIELDS: Item = {
    "modelVersion": "3.1-pro-002",
    "safetyRatings": [{"category": "dangerous", "probability": "negligible"}],
    "providerMetadata": {"region": "eu", "queue": {"position": 0}},
}


def names(request: Request, modes: Modes = NO_MODES) -> Item:
    """Return the two fields by which every item is matched."""
    task_type = "getResponse" if "getResponse" in modes else "textInference"
    return {"taskType": task_type, "taskUUID": request.task_uuid}


def processing(request: Request, pending: list[Result], modes: Modes, share: float) -> list[Item]:
    """Return what says that more is to come: one item per task, or one per unfinished result.

    Args:
        request: The task.
        pending: Its results that are not finished.
        modes: How polls are written.
        share: How much of the task's time has passed, 0 to 1.
    """
    item = names(request, modes) | {"status": "pending" if "pending" in modes else "processing"}
    if "progress" in modes:
        item["progress"] = int(100 * share)
    if "partial_text" in modes and pending and isinstance(pending[0].outcome, Answer):
        item["text"] = (pending[0].outcome.text or "")[:20]
    return [item] * (len(pending) if "each" in modes else 1)


def success(request: Request, result: Result, answer: Answer) -> Item:
    """Return the fields of a successful result, without the names and the status."""
    item: Item = {"text": answer.text}
    if request.seed is not None and not request.directives.identical:
        item["seed"] = (request.seed + result.index) % SEEDS
    if request.include_cost:
        item["cost"] = dollars(result.cost_nano)
    item["finishReason"] = answer.finish_reason
    item |= _thoughts(answer, request.directives.thoughts)
    if request.include_usage:
        item["usage"] = usage(answer)
    if request.index:
        item["resultIndex"] = result.index
    return item | _UNKNOWN_FIELDS if request.directives.unknown_field else item


def dollars(nano: int) -> float:
    """Return an amount as the wire writes it."""
    return nano / _NANO


def _thoughts(answer: Answer, form: str | None) -> Item:
    """Return the reasoning; any part of it may be missing (contract §8, §17.24)."""
    if form == "none":
        return {}
    signature: Item = {"thoughtSignature": answer.thought_signature}
    if form == "signature":
        return signature
    reasoning = "".join(answer.reasoning) if form == "string" else answer.reasoning
    return {"reasoningContent": reasoning} | signature


def usage(answer: Answer) -> Item:
    """Return the tokens of a result."""
    return {
        "promptTokens": answer.usage.prompt,
        "completionTokens": answer.usage.completion,
        "totalTokens": answer.usage.prompt + answer.usage.completion,
        "thinkingTokens": answer.usage.thinking,
    }


def polled(request: Request, results: list[Result], modes: Modes) -> tuple[list[Item], list[Item]]:
    """Write finished results as a poll shows them.

    Returns:
        The items for `data` and those for `errors`.
    """
    who = names(request, modes)
    data: list[Item] = []
    errors: list[Item] = []
    for result in results:
        if isinstance(result.outcome, Answer):
            status = {} if "nostatus" in modes else {"status": "success"}
            data.append(who | status | success(request, result, result.outcome))
        elif "nested" in modes:
            data.append(who | {"status": "error", "error": error(result.outcome)})
        elif "flat" in modes:
            data.append(who | {"status": "error"} | error(result.outcome))
        else:
            errors.append(error(result.outcome) | {"status": "error"} | who)
    return data, errors


def webhook(request: Request, result: Result | None, modes: Modes) -> object:
    """Write one finished result as the body of its webhook; None: the task still runs."""
    if result is None:
        return _wrapped(names(request) | {"status": "processing"}, modes, good=True)
    good = isinstance(result.outcome, Answer)
    item = names(request)
    if "nostatus" not in modes:
        item["status"] = "success" if good else "error"
    if isinstance(result.outcome, Answer):
        item |= success(request, result, result.outcome)
    else:
        failure = error(result.outcome)
        item |= {"error": failure} if "nested" in modes else failure
    return _wrapped(item, modes, good=good)


def _wrapped(item: Item, modes: Modes, *, good: bool) -> object:
    if "fields" in modes:
        item = item | _UNKNOWN_FIELDS | {"event": "task.completed", "attempt": 1}
    if "both" in modes:
        return {"data": [item] if good else [], "errors": [] if good else [item]}
    if "wrapped" in modes:
        return {"data" if good else "errors": [item]}
    return [item] if "list" in modes else item
