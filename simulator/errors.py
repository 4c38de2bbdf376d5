"""Errors in the documented shape, and the HTTP status that goes with a code (contract §6)."""

from collections.abc import Mapping

# One object of `data` or `errors`.
Item = dict[str, object]

DOCUMENTATION = "https://runware.ai/docs/models/google-gemini-3-1-pro"

_STATUS_OF_CODE = {
    "invalidApiKey": 401,
    "missingApiKey": 401,
    "unauthorized": 401,
    "tokenExpired": 401,
    "forbidden": 403,
    "accountSuspended": 403,
    "insufficientCredits": 402,
    "providerInsufficientCredits": 402,
    "thirdPartyInsufficientCredits": 402,
    "textInferenceVideoInputInsufficientCredits": 402,
    "quotaExceeded": 402,
    "paymentRequired": 402,
    "concurrentRequestLimitExceeded": 429,
    "rateLimit": 429,
    "rateLimitExceeded": 429,
    "inferenceRateLimitExceeded": 429,
    "providerRateLimitExceeded": 429,
    "internalServerError": 500,
    "standardError": 500,
    "unknownError": 500,
    "serviceUnavailable": 503,
    "providerUnavailable": 503,
}

_MESSAGES = {
    "invalidApiKey": "Invalid API key. Get one at https://runware.ai/signup",
    "missingApiKey": "Missing API key. Get one at https://runware.ai/signup",
    "insufficientCredits": "Insufficient credits. Add credits to your account and try again.",
    "concurrentRequestLimitExceeded": "Too many concurrent requests. Try again later.",
    "conflictTaskUUID": "The taskUUID was already used by an earlier task.",
    "taskExpired": "The task has expired; its results are no longer kept.",
    "mediaNotFound": "No media with this UUID was found.",
    "mediaExpired": "The media with this UUID has expired.",
    "rateLimitExceeded": "Too many requests. Try again later.",
    "taskNotFound": "No task with this taskUUID was found.",
    "timeoutProvider": "The external provider did not respond within the timeout window. "
    "The request was automatically terminated.",
}


class RefusedError(Exception):
    """A whole request is answered with one error that names no task.

    Args:
        status: The HTTP status of the answer.
        error: The error item.
        body: The answer, where it is not the usual `{"errors": […]}`.
    """

    def __init__(self, status: int, error: Item, body: Item | None = None) -> None:
        super().__init__(status, error, body)
        self.status = status
        self.error = error
        self.body = body or {"errors": [error]}


def error(code: str, message: str | None = None, **extra: object) -> Item:
    """Build one error item; extras (`parameter`, `taskUUID`, `min`, …) follow code and message."""
    text = message or _MESSAGES.get(code, f"The task ended with {code}.")
    return {"code": code, "message": text, **extra}


def for_task(task: Mapping[str, object], item: Item) -> Item:
    """Name the task in an error item, as far as the task names itself legibly."""
    names = {key: task[key] for key in ("taskType", "taskUUID") if isinstance(task.get(key), str)}
    return item | names


def http_status(items: list[Item]) -> int:
    """Return the HTTP status of an answer in which every task was refused."""
    found = {_STATUS_OF_CODE.get(str(item["code"]), 400) for item in items}
    return found.pop() if len(found) == 1 else 400
