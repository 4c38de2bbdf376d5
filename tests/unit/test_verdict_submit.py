"""What the direct answer to a POST says of each task: bought, refused, or nothing clear."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_samples import OTHER, OURS, THIRD, answer, error, read, running, success

from tasks.errors import Meaning
from tasks.verdict_submit import Told, of_submit
from tasks.wire.answer import Item

ACK = {"taskType": "textInference", "taskUUID": OURS}
NOT_BOUGHT = {Meaning.WAIT, Meaning.REJECTED, Meaning.PAUSE, None}


def told(status: int, items: list[Item], *others: str) -> Told:
    return of_submit([OURS, *others], status, items)[OURS]


@pytest.mark.parametrize("ack", [ACK, running(), running(status="pending")])
@pytest.mark.parametrize("status", [200, 400, 429, 500])
def test_a_task_named_in_data_is_accepted_under_any_status(ack: object, status: int) -> None:
    assert told(status, answer(ack)) == Told(Meaning.ACCEPTED)


def test_a_result_in_the_acknowledgment_is_accepted_and_kept() -> None:
    said = told(200, answer(success(), running(OTHER)), OTHER)
    assert said.meaning is Meaning.ACCEPTED
    assert [item.raw["text"] for item in said.results] == ["A boat leaves."]


def test_each_task_of_a_post_gets_its_own_answer() -> None:
    items = answer(running(OTHER), errors=(error("invalidSeed"),))
    said = of_submit([OURS, OTHER, THIRD], 200, items)
    assert [said[uuid].meaning for uuid in (OURS, OTHER, THIRD)] == [
        Meaning.REJECTED,
        Meaning.ACCEPTED,
        Meaning.UNCLEAR,  # named by nobody: it may have been bought
    ]


@pytest.mark.parametrize("status", [200, 400, 429])
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("concurrentRequestLimitExceeded", Meaning.WAIT),
        ("rateLimitExceeded", Meaning.WAIT),
        ("invalidMaxTokens", Meaning.REJECTED),
        ("promptBlocked", Meaning.REJECTED),
        ("mediaNotFound", Meaning.REJECTED),
        ("insufficientCredits", Meaning.PAUSE),
        ("invalidApiKey", Meaning.PAUSE),
        ("conflictTaskUUID", Meaning.ACCEPTED),
        ("timeoutProvider", Meaning.UNCLEAR),
        ("internalServerError", Meaning.UNCLEAR),
    ],
)
def test_an_error_that_names_the_task_is_read_by_its_code_not_by_the_status(
    status: int, code: str, expected: Meaning
) -> None:
    assert told(status, answer(errors=(error(code),))) == Told(expected, code, f"It is {code}.")


@pytest.mark.parametrize("code", ["aCodeNobodyHasSeen", "standardError", None])
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((200, Meaning.UNCLEAR), (400, Meaning.UNCLEAR), (500, Meaning.UNCLEAR)),
        *((401, Meaning.PAUSE), (402, Meaning.PAUSE), (403, Meaning.PAUSE), (429, Meaning.WAIT)),
    ],
)
def test_a_code_that_tells_nothing_leaves_the_word_to_the_status(
    status: int, code: str | None, expected: Meaning
) -> None:
    told_of = {"taskUUID": OURS, "message": "No."} | ({"code": code} if code else {})
    said = told(status, answer(errors=(told_of,)))
    assert said.meaning is expected
    assert "No." in said.message


def test_what_failed_at_the_provider_is_unclear_whatever_else_is_said_with_it() -> None:
    errors = (error("aCodeNobodyHasSeen"), error("providerError"))
    assert told(429, answer(errors=errors)).meaning is Meaning.UNCLEAR


@pytest.mark.parametrize("status", [401, 402])
def test_a_new_word_for_a_bad_key_or_no_credit_fails_no_job(status: int) -> None:
    said = told(status, answer(errors=(error("missingAuthorization"),)))
    assert said.meaning is Meaning.PAUSE


def test_an_error_with_a_price_was_bought() -> None:
    assert told(200, answer(errors=(error("promptBlocked", cost=0.01),))).meaning is Meaning.UNCLEAR
    assert told(200, answer(errors=(error("promptBlocked", cost=0),))).meaning is Meaning.REJECTED


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (("rateLimitExceeded", "conflictTaskUUID"), Meaning.ACCEPTED),
        (("invalidSeed", "conflictTaskUUID"), Meaning.ACCEPTED),
        (("invalidSeed", "providerError"), Meaning.UNCLEAR),
        (("rateLimitExceeded", "invalidApiKey"), Meaning.PAUSE),
        (("rateLimitExceeded", "invalidSeed"), Meaning.REJECTED),
    ],
)
def test_of_several_errors_the_one_that_leaves_most_room_for_a_purchase_decides(
    codes: tuple[str, ...], expected: Meaning
) -> None:
    errors = [error(code) for code in codes]
    assert told(400, answer(errors=tuple(errors))).meaning is expected
    assert told(400, answer(errors=tuple(reversed(errors)))).meaning is expected


def test_an_authentication_item_and_a_strangers_item_say_nothing_of_the_task() -> None:
    authenticated = {"taskType": "authentication", "connectionSessionUUID": THIRD}
    items = answer(authenticated, running(OTHER), errors=(error("invalidSeed", THIRD),))
    assert told(200, items).meaning is Meaning.UNCLEAR


ITEMS = st.one_of(
    st.sampled_from([OURS, OTHER, THIRD]).flatmap(
        lambda uuid: st.sampled_from(
            [success(uuid), running(uuid), {"taskUUID": uuid}, {"taskUUID": uuid, "status": "odd"}]
        )
    ),
    st.sampled_from([{"taskType": "authentication"}, {}, {"text": "x"}]),
)
CODES = st.sampled_from(
    ["rateLimit", "invalidSeed", "conflictTaskUUID", "invalidApiKey", "providerError", "odd", ""]
)
ERRORS = st.builds(error, CODES, st.sampled_from([OURS, OTHER, THIRD, None]))
STATUS = st.sampled_from([200, 202, 302, 400, 401, 402, 403, 404, 408, 413, 429, 500, 503])


@given(st.lists(ITEMS, max_size=4), st.lists(ERRORS, max_size=4), STATUS)
def test_a_task_that_any_data_item_names_is_never_taken_for_unbought(
    data: list[dict[str, object]], errors: list[object], status: int
) -> None:
    said = of_submit([OURS, OTHER], status, read({"data": data, "errors": errors}))
    for uuid in {item.get("taskUUID") for item in data} & {OURS, OTHER}:
        assert said[str(uuid)].meaning not in NOT_BOUGHT


@given(st.lists(ITEMS, max_size=3), st.lists(ERRORS, max_size=4), STATUS, st.randoms())
def test_the_order_of_items_does_not_matter(
    data: list[object], errors: list[object], status: int, random: Random
) -> None:
    items = answer(*data, errors=tuple(errors))
    shuffled = list(items)
    random.shuffle(shuffled)
    one, two = (of_submit([OURS, OTHER], status, found) for found in (items, shuffled))
    assert {uuid: said.meaning for uuid, said in one.items()} == {
        uuid: said.meaning for uuid, said in two.items()
    }
