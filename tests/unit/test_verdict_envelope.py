"""What an answer to a POST says that names none of its tasks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_samples import OTHER, OURS, THIRD, answer, error, read, running

from tasks.errors import REQUEST_TOO_LARGE, Category, Meaning, category
from tasks.verdict_submit import Told, of_submit


def alone(status: int, *codes: str) -> Told:
    items = answer(errors=tuple(error(code, None) for code in codes))
    return of_submit([OURS], status, items)[OURS]


def several(status: int, *codes: str) -> Told:
    items = answer(errors=tuple(error(code, None) for code in codes))
    said = of_submit([OURS, OTHER, THIRD], status, items)
    assert len(set(map(repr, said.values()))) == 1, "what names nobody says the same of all"
    return said[OURS]


@pytest.mark.parametrize("status", [200, 202, 408, 500, 502, 503, 504])
def test_no_word_under_a_status_that_promises_nothing_leaves_every_task_unclear(
    status: int,
) -> None:
    assert alone(status).meaning is several(status).meaning is Meaning.UNCLEAR


@pytest.mark.parametrize(
    ("status", "meaning", "code"),
    [
        (401, Meaning.PAUSE, "unauthorized"),
        (402, Meaning.PAUSE, "paymentRequired"),
        (403, Meaning.PAUSE, "forbidden"),
        (429, Meaning.WAIT, "rateLimit"),
        (301, Meaning.PAUSE, "http301"),
        (307, Meaning.PAUSE, "http307"),
        (404, Meaning.PAUSE, "http404"),
        (405, Meaning.PAUSE, "http405"),
    ],
)
def test_a_status_that_refuses_the_whole_post_speaks_for_every_task(
    status: int, meaning: Meaning, code: str
) -> None:
    assert (alone(status).meaning, alone(status).code) == (meaning, code)
    assert several(status) == alone(status)


def test_a_wrong_address_is_told_with_its_fix() -> None:
    assert "is RUNWARE_BASE_URL right?" in alone(404).message


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize("codes", [(), ("invalidSeed",), ("maxTasksExceeded",), ("newCode",)])
def test_a_refusal_of_nobody_is_halved_down_to_the_one_task_it_is_about(
    status: int, codes: tuple[str, ...]
) -> None:
    assert several(status, *codes).meaning is None
    assert alone(status, *codes).meaning is Meaning.REJECTED


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refusal_in_a_shape_of_its_own_is_one_of_nobody(status: int) -> None:
    items = read({"message": "At most 7 tasks."})
    assert of_submit([OURS, OTHER], status, items)[OURS].meaning is None
    said = of_submit([OURS], status, items)[OURS]
    assert (said.meaning, said.message) == (Meaning.REJECTED, "At most 7 tasks.")
    assert of_submit([OURS], 200, items)[OURS].meaning is Meaning.UNCLEAR


def test_an_item_of_the_session_beside_a_refusal_changes_nothing_of_it() -> None:
    session = {"taskType": "authentication", "connectionSessionUUID": THIRD}
    items = answer(session, errors=(error("arrayTooLong", None),))
    assert of_submit([OURS, OTHER], 400, items)[OURS].meaning is None
    assert of_submit([OURS], 400, items)[OURS].meaning is Meaning.REJECTED


@pytest.mark.parametrize("status", [200, 400, 401, 403])
@pytest.mark.parametrize("code", ["invalidApiKey", "forbidden", "insufficientCredits"])
def test_key_and_credit_pause_whatever_the_status(status: int, code: str) -> None:
    said = several(status, code)
    assert (said.meaning, said.code, said.message) == (Meaning.PAUSE, code, f"It is {code}.")
    assert alone(status, code) == said


@pytest.mark.parametrize("status", [401, 402])
def test_a_new_word_under_a_status_of_key_or_credit_fails_no_job(status: int) -> None:
    assert alone(status, "missingAuthorization").meaning is Meaning.PAUSE
    assert several(status, "invalidBilling").meaning is Meaning.PAUSE
    assert alone(status, "standardError").meaning is Meaning.PAUSE


@pytest.mark.parametrize("code", ["mediaNotFound", "modelNotFound"])
def test_a_medium_that_is_not_found_is_no_wrong_address(code: str) -> None:
    assert alone(404, code).meaning is Meaning.REJECTED
    assert several(404, code).meaning is None


def test_a_prompt_that_is_forbidden_is_no_bad_key() -> None:
    assert alone(403, "contentPolicyViolation").meaning is Meaning.REJECTED
    assert several(403, "contentPolicyViolation").meaning is None


def test_a_capacity_refusal_of_nobody_is_one_where_the_status_refuses_too() -> None:
    assert several(429, "concurrentRequestLimitExceeded").meaning is Meaning.WAIT
    assert several(400, "concurrentRequestLimitExceeded").meaning is Meaning.WAIT
    assert alone(200, "concurrentRequestLimitExceeded").meaning is Meaning.WAIT
    # Of several under a 200 some may have been taken: nothing says which.
    assert several(200, "concurrentRequestLimitExceeded").meaning is Meaning.UNCLEAR


def test_a_rate_limit_that_the_request_breaks_by_itself_asks_for_fewer_in_it() -> None:
    assert several(429, REQUEST_TOO_LARGE).meaning is None
    assert several(200, REQUEST_TOO_LARGE).meaning is Meaning.UNCLEAR
    assert alone(429, REQUEST_TOO_LARGE).meaning is Meaning.WAIT


def test_a_conflict_of_nobody_is_an_acknowledgment_never_a_failure() -> None:
    assert alone(400, "conflictTaskUUID").meaning is Meaning.ACCEPTED
    assert several(400, "conflictTaskUUID").meaning is Meaning.UNCLEAR


@pytest.mark.parametrize("code", ["internalServerError", "providerError", "timeoutProvider"])
def test_a_fault_of_nobody_may_have_bought_under_any_status(code: str) -> None:
    assert alone(400, code).meaning is several(400, code).meaning is Meaning.UNCLEAR


@pytest.mark.parametrize("status", [200, 400, 401, 429])
def test_an_answer_that_names_a_stranger_is_none_to_this_post(status: int) -> None:
    for items in (answer(running(OTHER)), answer(errors=(error("invalidSeed", OTHER),))):
        assert of_submit([OURS], status, items)[OURS].meaning is Meaning.UNCLEAR


@pytest.mark.parametrize("status", [400, 401])
def test_what_refuses_everybody_outranks_what_one_task_did_wrong(status: int) -> None:
    for codes in (("rateLimit", "invalidSeed"), ("invalidSeed", "rateLimit")):
        assert alone(status, *codes).meaning is several(status, *codes).meaning is Meaning.WAIT


CODES = ["rateLimit", "invalidSeed", "conflictTaskUUID", "invalidApiKey", "providerError", "odd"]
SPOKEN = {Category.AUTH, Category.QUOTA, Category.RATE_LIMIT}


@given(st.lists(st.sampled_from(CODES), max_size=3), st.integers(200, 599))
def test_only_a_plain_refusal_asks_for_fewer_at_once(codes: list[str], status: int) -> None:
    if several(status, *codes).meaning is None:
        assert 400 <= status < 500
        assert status not in {401, 402, 408, 429}
        assert not {category(code) for code in codes} & SPOKEN
    assert alone(status, *codes).meaning is not None
