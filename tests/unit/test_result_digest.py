"""What makes two deliveries the same result, and what does not."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_samples import answer, error, read, success

from tasks.claims import pack, unpack
from tasks.ids import content_digest, result_digest


def digest(**fields: object) -> str:
    (item,) = read(success(**fields))
    return item.digest


def test_a_result_is_the_same_by_every_road() -> None:
    flat = {k: v for k, v in success().items() if k != "status"}
    polled = success(taskType="getResponse", cost=0.01, usage={"promptTokens": 5}, progress=100)
    (by_callback,), (wrapped,), (by_poll,) = read(flat), answer(flat), answer(polled)
    assert by_callback.digest == wrapped.digest == by_poll.digest == digest(cost=0.02, cached=True)


@pytest.mark.parametrize("other", [{"text": "A boat leaves"}, {"text": None}, {"text": ""}])
def test_another_text_is_another_result(other: dict[str, object]) -> None:
    assert digest(**other) != digest()


@pytest.mark.parametrize(
    "other",
    [{"seed": 1}, {"finishReason": "length"}, {"finishReason": None}, {"text": "A boat leaves.\n"}],
)
def test_what_a_road_may_tell_differently_makes_no_other_result(other: dict[str, object]) -> None:
    assert digest(**other) == digest()


def test_a_filtered_text_may_be_told_as_empty_or_as_null() -> None:
    assert digest(text=None) == digest(text="") == digest(text=" ")


def test_the_order_of_keys_in_an_answer_that_is_an_object_does_not_matter() -> None:
    assert digest(text={"a": 1, "b": 2}) == digest(text={"b": 2, "a": 1})


def test_errors_of_another_code_or_message_are_other_errors() -> None:
    told = [error("providerError"), error("timeoutProvider"), error("providerError", message="x")]
    assert len({item.digest for item in answer(errors=tuple(told))}) == 3
    nested = {"status": "error", "error": error("providerError"), "taskUUID": "a"}
    assert read(nested)[0].digest == answer(errors=(told[0],))[0].digest


@given(st.text(), st.text())
def test_two_results_are_one_only_where_their_texts_are(one: str, other: str) -> None:
    assert (result_digest(one) == result_digest(other)) == (one.strip() == other.strip())


@given(st.text(), st.none() | st.integers(0, 2**32 - 1), st.sampled_from(["stop", "length"]))
def test_a_result_has_the_same_digest_after_it_was_stored(
    text: str, seed: int | None, reason: str
) -> None:
    found = answer(success(text=text, seed=seed, finishReason=reason, cost=0.015720001))
    (again,) = unpack(pack(found))
    assert (again.digest, again.cost) == (found[0].digest, found[0].cost)


def test_the_digest_of_a_rows_content_ignores_the_order_of_its_fields() -> None:
    one = content_digest({"a": 1, "b": [Decimal("0.30"), None]}, {})
    assert one == content_digest(json.loads('{"b": ["0.30", null], "a": 1}'), {})
    assert one != content_digest({"a": 1, "b": [None, Decimal("0.30")]}, {})
    assert content_digest({"a": 1}, {}) != content_digest({}, {"a": 1})
