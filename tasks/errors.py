"""What can go wrong, and what a provider's error code means by the road it came.

Drawn:

    · Error
    ├── ConfigurationError      the user must change a setting; the text says which
    │   └── StoreRefused        this store must not be used (other provider, other schema)
    ├── StoreAway               the store did not answer in time; nothing is known to be written
    └── ProviderAway            the provider gave no usable answer to one HTTP exchange
"""

from enum import StrEnum


class Error(Exception):
    """Base of all errors this project raises on purpose."""


class ConfigurationError(Error):
    """A setting is wrong or missing; the message names it and the fix."""


class StoreRefused(ConfigurationError):
    """The store holds, or would do, something that makes our promises untrue."""


class StoreAway(Error):
    """The store is down, slow or cannot write; whether a write was applied is unknown."""


class ProviderAway(Error):
    """No usable answer. `sent` tells whether the request may have reached the provider."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


class Road(StrEnum):
    """How an error came to us; the same code means different things on each."""

    SUBMIT = "submit"  # in the direct answer to the POST that submitted the task
    POLL = "poll"  # in the answer to getResponse
    CALLBACK = "callback"  # delivered to the callback door


class Meaning(StrEnum):
    """What an error says about its task, and so what to do."""

    ACCEPTED = "accepted"  # the provider has this taskUUID already: wait for its results
    WAIT = "wait"  # not bought; the same taskUUID again later
    REJECTED = "rejected"  # not bought, and would be rejected again: the job has failed
    UNCLEAR = "unclear"  # may or may not be bought: look before sending again
    PAUSE = "pause"  # the key or the credit is at fault, not the job: pause, fail nothing
    AGAIN = "again"  # bought, and failed for now: next attempt, next taskUUID
    FAILED = "failed"  # bought, and failed for good
    NO_NEWS = "no_news"  # says nothing about the task
    CHECK = "check"  # a hint to look at the task by poll


class Category(StrEnum):
    """The provider's own grouping of its codes (contract §6), with two of ours."""

    AUTH = "auth"
    QUOTA = "quota"
    RATE_LIMIT = "rateLimit"
    SAFETY = "safety"
    TIMEOUT = "timeout"
    MEDIUM = "medium"  # ours: the part of notFound that is about what was sent
    UNKNOWN_TASK = "unknownTask"  # ours: the part of notFound that may mean "not seen yet"
    GONE = "gone"  # ours: the part of notFound that says a known task is over
    PROVIDER = "provider"
    SERVER = "serverError"
    VALIDATION = "validation"
    CONFLICT = "conflict"
    DELIVERY = "delivery"  # ours: the part of timeout that is about the callback
    UNKNOWN = "unknown"


OF_THE_INPUT = frozenset({Category.SAFETY, Category.MEDIUM, Category.CONFLICT})
"""Categories that only a task can cause, under any status; what else was said may yield to it."""

MEDIUM_GONE = frozenset({"mediaExpired", "mediaNotFound"})
"""Codes that say that the provider no longer has a medium: uploading it again helps."""

REQUEST_TOO_LARGE = "inferenceRateLimitRequestTooLarge"
"""Code of a rate limit that one request exceeds by itself: it needs fewer tasks, not more time."""

UPLOAD_FAILED = "uploadFailed"
"""Code of a job of which a local file could not be uploaded, so that nothing was sent. The provider
has this code too, for tasks that it ran."""

_CODES = {
    Category.AUTH: "invalidApiKey missingApiKey unauthorized forbidden tokenExpired "
    "accountSuspended",
    Category.QUOTA: "insufficientCredits providerInsufficientCredits "
    "thirdPartyInsufficientCredits textInferenceVideoInputInsufficientCredits quotaExceeded "
    "paymentRequired",
    # concurrentRequestLimitExceeded and rateLimit are gaps of the official table, seen in use.
    Category.RATE_LIMIT: "rateLimitExceeded inferenceRateLimitExceeded providerRateLimitExceeded "
    f"{REQUEST_TOO_LARGE} concurrentRequestLimitExceeded rateLimit",
    Category.SAFETY: "contentPolicyViolation providerContentPolicyViolation "
    "sensitiveContentDetected nsfwContentDetected unsafeContentDetected promptBlocked "
    "imageBlocked moderationFailed invalidProviderContent",
    # timeoutProvider is the documented one, and a gap of the official table.
    Category.TIMEOUT: "providerTimeout providerGatewayTimeout timeoutProvider",
    Category.MEDIUM: "mediaNotFound mediaExpired modelNotFound unknownModel",
    # The third is the kind of the first two, which others may have as a code.
    Category.UNKNOWN_TASK: "taskNotFound taskFailedOrNotFound notFound",
    Category.GONE: "taskExpired taskCancelled",
    Category.PROVIDER: "providerError providerUnavailable providerBadGateway "
    "providerInternalError inferenceError processingFailed taskFailed downloadFailed "
    "uploadFailed noAvailableServer modelUnavailable modelDisabled modelNotReady "
    "mediaStorageFileCouldNotBeMoved",
    Category.SERVER: "internalServerError serviceUnavailable standardError unknownError",
    Category.VALIDATION: "unknownParameter incompatibleParameters validationFailed",
    # The second was never seen; read as validation it would fail a job that was bought.
    Category.CONFLICT: "conflictTaskUUID duplicateTaskUUID",
    Category.DELIVERY: "webhookTimeout",
}
_CATEGORY = {code: category for category, codes in _CODES.items() for code in codes.split()}
_VALIDATION_PREFIXES = ("invalid", "missing", "conflict", "duplicate", "unsupported", "value")
_VALIDATION_PREFIXES_MORE = ("array", "max")

_MEANING = {
    # category: (submit, poll)
    Category.AUTH: (Meaning.PAUSE, Meaning.NO_NEWS),
    Category.QUOTA: (Meaning.PAUSE, Meaning.PAUSE),
    Category.RATE_LIMIT: (Meaning.WAIT, Meaning.AGAIN),
    Category.SAFETY: (Meaning.REJECTED, Meaning.FAILED),
    Category.TIMEOUT: (Meaning.UNCLEAR, Meaning.AGAIN),
    Category.MEDIUM: (Meaning.REJECTED, Meaning.FAILED),
    Category.UNKNOWN_TASK: (Meaning.UNCLEAR, Meaning.NO_NEWS),
    # Bought and not to be had any more; a new attempt would pay twice, so the user decides.
    Category.GONE: (Meaning.UNCLEAR, Meaning.FAILED),
    Category.PROVIDER: (Meaning.UNCLEAR, Meaning.AGAIN),
    Category.SERVER: (Meaning.UNCLEAR, Meaning.AGAIN),
    Category.VALIDATION: (Meaning.REJECTED, Meaning.FAILED),
    Category.CONFLICT: (Meaning.ACCEPTED, Meaning.ACCEPTED),
    # Another attempt would have the same callback: it buys nothing that a poll does not bring.
    Category.DELIVERY: (Meaning.UNCLEAR, Meaning.ACCEPTED),
    Category.UNKNOWN: (Meaning.UNCLEAR, Meaning.AGAIN),
}
_DOUBTFUL_BY_POLL = {Category.RATE_LIMIT, Category.SERVER, Category.QUOTA, Category.UNKNOWN}
VERDICTLESS_STATUSES = frozenset({401, 402, 403, 408, 429}) | frozenset(range(500, 600))
"""On a poll these speak of the poll, not of the task (contract §17, trap 12)."""


def category(code: str) -> Category:
    """Return the category of a raw code; exact codes first, then the official prefix rules."""
    known = _CATEGORY.get(code)
    if known is not None:
        return known
    if code.startswith(_VALIDATION_PREFIXES + _VALIDATION_PREFIXES_MORE):
        return Category.VALIDATION
    return Category.UNKNOWN


def meaning(road: Road, code: str) -> Meaning:
    """Return what `code` says about its task when it comes by `road`.

    A callback's error is never a verdict: whoever holds the URL could have sent it.
    """
    by_submit, by_poll = _MEANING[category(code)]
    if category(code) is Category.CONFLICT:
        return Meaning.ACCEPTED
    if road is Road.CALLBACK:
        return Meaning.CHECK
    return by_submit if road is Road.SUBMIT else by_poll


def sightings_needed(code: str) -> int:
    """Return on how many polls in a row an error must stand before it is believed.

    A rate limit or a server fault named with our taskUUID may be about the poll itself.
    """
    return 3 if category(code) in _DOUBTFUL_BY_POLL else 1
