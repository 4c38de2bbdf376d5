"""How a finished result is written: in a poll, in an acknowledgment, in a webhook (§4, §5, §8)."""

from simulator.answers import Answer
from simulator.directives import Modes
from simulator.errors import error
from simulator.outcomes import Result
from simulator.request import Request
from simulator.validation import SEEDS

Item = dict[str, object]

_NO_MODES = Modes()
_NANO = 1_000_000_000
_UNKNOWN_FIELDS: Item = {
    "modelVersion": "3.1-pro-002",
    "safetyRatings": [{"category": "dangerous", "probability": "negligible"}],
    "providerMetadata": {"region": "eu", "queue": {"position": 0}},
}


def names(request: Request, modes: Modes = _NO_MODES) -> Item:
    """Return the two fields by which every item is matched."""
    task_type = "getResponse" if "getResponse" in modes else "textInference"
    return {"taskType": task_type, "taskUUID": request.task_uuid}


def processing(request: Request, modes: Modes) -> Item:
    """Return the item by which a poll says that more is to come."""
    return names(request, modes) | {"status": "processing"}


def success(request: Request, result: Result, answer: Answer) -> Item:
    """Return the fields of a successful result, without the names and the status."""
    item: Item = {"text": answer.text}
    if request.seed is not None and not request.directives.identical:
        item["seed"] = (request.seed + result.index) % SEEDS
    if request.include_cost:
        item["cost"] = result.cost_nano / _NANO
    item["finishReason"] = answer.finish_reason
    item["reasoningContent"] = answer.reasoning
    item["thoughtSignature"] = answer.thought_signature
    if request.include_usage:
        item["usage"] = _usage(answer)
    if request.directives.index:
        item["resultIndex"] = result.index
    return item | _UNKNOWN_FIELDS if request.directives.unknown_field else item


def _usage(answer: Answer) -> Item:
    usage = answer.usage
    return {
        "promptTokens": usage.prompt,
        "completionTokens": usage.completion,
        "totalTokens": usage.prompt + usage.completion,
        "thinkingTokens": usage.thinking,
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


def webhook(request: Request, result: Result, modes: Modes) -> object:
    """Write one finished result as the body of its webhook."""
    good = isinstance(result.outcome, Answer)
    item = names(request)
    if "nostatus" not in modes:
        item["status"] = "success" if good else "error"
    if isinstance(result.outcome, Answer):
        item |= success(request, result, result.outcome)
    else:
        item |= error(result.outcome)
    if "wrapped" in modes:
        return {"data" if good else "errors": [item]}
    return [item] if "list" in modes else item
