"""The (road, code) table: what every code of the contract means by each road (§6)."""

import pytest

from tasks.errors import Category, Meaning, Road, category, meaning, sightings_needed

SUBMIT, POLL, CALLBACK = Road.SUBMIT, Road.POLL, Road.CALLBACK
PAUSE, WAIT, REJECTED = Meaning.PAUSE, Meaning.WAIT, Meaning.REJECTED
UNCLEAR, AGAIN, FAILED = Meaning.UNCLEAR, Meaning.AGAIN, Meaning.FAILED

TABLE = {
    # (by submit, by poll): codes
    (PAUSE, Meaning.NO_NEWS): """
        invalidApiKey missingApiKey unauthorized forbidden tokenExpired accountSuspended""",
    (PAUSE, PAUSE): """
        insufficientCredits providerInsufficientCredits thirdPartyInsufficientCredits
        textInferenceVideoInputInsufficientCredits quotaExceeded paymentRequired""",
    (WAIT, AGAIN): """
        rateLimitExceeded inferenceRateLimitExceeded providerRateLimitExceeded
        inferenceRateLimitRequestTooLarge concurrentRequestLimitExceeded rateLimit""",
    (REJECTED, FAILED): """
        contentPolicyViolation providerContentPolicyViolation sensitiveContentDetected
        nsfwContentDetected unsafeContentDetected promptBlocked imageBlocked moderationFailed
        invalidProviderContent mediaNotFound mediaExpired modelNotFound unknownModel
        unknownParameter incompatibleParameters validationFailed
        invalidMaxTokens missingMessages conflictParameters duplicateParameter
        unsupportedParameter valueOutOfRange arrayTooLong maxTokensExceeded""",
    (UNCLEAR, AGAIN): """
        providerTimeout providerGatewayTimeout timeoutProvider providerError providerUnavailable
        providerBadGateway providerInternalError inferenceError processingFailed taskFailed
        downloadFailed uploadFailed noAvailableServer modelUnavailable modelDisabled modelNotReady
        mediaStorageFileCouldNotBeMoved internalServerError serviceUnavailable standardError
        unknownError aCodeNobodyHasSeen""",
    (UNCLEAR, Meaning.ACCEPTED): "webhookTimeout",
    (UNCLEAR, Meaning.NO_NEWS): "taskNotFound taskFailedOrNotFound",
    (UNCLEAR, FAILED): "taskExpired taskCancelled",
}
ROWS = [(code, *by) for by, codes in TABLE.items() for code in codes.split()]


@pytest.mark.parametrize(("code", "by_submit", "by_poll"), ROWS)
def test_a_code_means_this_by_each_road(code: str, by_submit: Meaning, by_poll: Meaning) -> None:
    assert meaning(SUBMIT, code) is by_submit
    assert meaning(POLL, code) is by_poll
    assert meaning(CALLBACK, code) is Meaning.CHECK


@pytest.mark.parametrize("road", Road)
@pytest.mark.parametrize("code", ["conflictTaskUUID", "duplicateTaskUUID"])
def test_a_conflict_is_an_acknowledgment_on_every_road(road: Road, code: str) -> None:
    assert meaning(road, code) is Meaning.ACCEPTED


def test_exact_codes_come_before_the_prefix_rules() -> None:
    assert category("invalidApiKey") is Category.AUTH
    assert category("invalidProviderContent") is Category.SAFETY
    assert category("conflictTaskUUID") is Category.CONFLICT
    assert category("conflictTaskUUIDs") is Category.VALIDATION


def test_codes_are_compared_as_they_are() -> None:
    assert category("InvalidSeed") is Category.UNKNOWN
    assert category("timeoutprovider") is Category.UNKNOWN


@pytest.mark.parametrize("road", [POLL, CALLBACK])
@pytest.mark.parametrize("code", [code for code, *_ in ROWS])
def test_only_the_answer_to_a_post_says_that_nothing_was_bought(road: Road, code: str) -> None:
    assert meaning(road, code) not in {Meaning.WAIT, Meaning.REJECTED}


@pytest.mark.parametrize(
    ("code", "sightings"),
    [
        ("rateLimitExceeded", 3),
        ("internalServerError", 3),
        ("insufficientCredits", 3),
        ("aCodeNobodyHasSeen", 3),
        ("timeoutProvider", 1),
        ("providerError", 1),
        ("promptBlocked", 1),
        ("invalidSeed", 1),
    ],
)
def test_an_error_that_may_be_the_polls_own_must_stand_on_three_polls(
    code: str, sightings: int
) -> None:
    assert sightings_needed(code) == sightings
