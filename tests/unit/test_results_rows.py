"""The rows of the table that a user gets back: one per result, adding up to the bill."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_samples import answer, error, read, success

from batches.results import job_rows, moment
from batches.row import OUTPUT
from tasks.job import record
from tasks.money import nano_from_usd, total
from tasks.reading_requests import Request
from tasks.wire.answer import Item

JOB = "378ac79a-0546-4a6f-a20e-761d22ecfbd2"
QUEUED = 1_800_000_000_000
ENDED = {"s": "completed", "w": "1", "u1": str(QUEUED + 1500), "e": str(QUEUED + 61_234)}
COLUMNS = {"scene": "harbor", "z": 1, "a": None}


def rows(
    fields: Mapping[str, str], items: list[Item], failure: tuple[str, str] = ("", "")
) -> list[dict[str, Any]]:
    least = {"s": "queued", "b": "batch_1", "a": "1", "q": str(QUEUED), "n": "1"}
    request = Request("clip-7", {}, COLUMNS)
    job = record(JOB, least | dict(fields))
    return list(job_rows(job, request, failure, items, simulated=True))


def test_the_columns_stand_in_their_order_and_then_the_users() -> None:
    ways = [
        rows(ENDED, answer(success())),
        rows({}, []),
        rows({"s": "failed"}, [], ("timeoutProvider", "Late.")),
    ]
    for (row,) in ways:
        assert list(row) == [*OUTPUT, *COLUMNS]
        assert {name: row[name] for name in COLUMNS} == COLUMNS


def test_a_finished_job_shows_its_answer() -> None:
    usage = {"promptTokens": 660, "completionTokens": 540, "thinkingTokens": 500}
    item = success(seed=28829, cost=0.01572, usage=usage, reasoningContent=["One.", "Two."])
    (row,) = rows(ENDED | {"m": "15720000"}, answer(item))
    assert row == {
        "custom_id": "clip-7",
        "job_id": JOB,
        "task_uuid": JOB,
        "state": "completed",
        "result_index": 0,
        "text": "A boat leaves.",
        "finish_reason": "stop",
        "reasoning": "One.\nTwo.",
        "seed": 28829,
        "cost": Decimal("0.01572"),
        "prompt_tokens": 660,
        "completion_tokens": 540,
        "thinking_tokens": 500,
        "attempts": 1,
        "error_code": None,
        "error_message": None,
        "queued_at": "2027-01-15T08:00:00.000Z",
        "submitted_at": "2027-01-15T08:00:01.500Z",
        "completed_at": "2027-01-15T08:01:01.234Z",
        "simulated": True,
        **COLUMNS,
    }


def test_each_result_has_a_row_and_so_has_each_failed_one() -> None:
    items = answer(success(text="a"), success(text="b"), errors=(error("providerError"),))
    found = rows(ENDED | {"s": "partial", "n": "3"}, items)
    assert [(row["result_index"], row["text"], row["error_code"]) for row in found] == [
        (0, "a", None),
        (1, "b", None),
        (2, None, "providerError"),
    ]


def test_a_rest_that_was_refused_has_its_error_below_the_results_that_are_here() -> None:
    uuid = "ead5ba1a-9a2d-46e3-8ee2-373fb66251f6"
    retried = {"s": "partial", "n": "2", "a": "2", "i2": uuid, "n2": "1", "h2": "1", "m": "7"}
    found = rows(ENDED | retried, answer(success(text="a", cost=0.000000007)), ("unsafe", "No."))
    assert [(row["result_index"], row["text"], row["error_code"]) for row in found] == [
        (0, "a", None),
        (1, None, "unsafe"),
    ]
    assert [row["cost"] for row in found] == [Decimal("0.000000007"), None]


def test_each_result_stands_under_the_task_uuid_it_was_bought_under() -> None:
    uuid = "ead5ba1a-9a2d-46e3-8ee2-373fb66251f6"
    retried = {"n": "2", "w": "2", "a": "2", "i2": uuid, "n2": "1", "h2": "1"}
    items = answer(success(text="a"), success(text="b", taskUUID=uuid))
    found = rows(ENDED | retried, items)
    assert [row["task_uuid"] for row in found] == [items[0].task_uuid, uuid]


def test_a_job_that_failed_says_why() -> None:
    (row,) = rows({"s": "failed", "m": "5"}, [], ("timeoutProvider", "Late."))
    assert (row["error_code"], row["error_message"]) == ("timeoutProvider", "Late.")
    assert (row["result_index"], row["text"], row["cost"]) == (None, None, Decimal("0.000000005"))


@pytest.mark.parametrize("state", ["queued", "submitting", "resolving", "processing"])
def test_an_open_job_shows_neither_result_nor_an_error_it_may_get_over(state: str) -> None:
    (row,) = rows({"s": state}, answer(success()), ("rateLimit", "Later."))
    assert (row["state"], row["text"], row["error_code"], row["cost"]) == (state, None, None, None)


def test_a_code_beside_an_answer_is_no_error() -> None:
    (row,) = rows(ENDED, answer(success(code=200, message="OK")))
    assert (row["text"], row["error_code"], row["error_message"]) == ("A boat leaves.", None, None)


@pytest.mark.parametrize(
    "odd",
    [
        {"usage": []},
        {"usage": "many"},
        {"usage": {"promptTokens": "many", "completionTokens": 1.5, "thinkingTokens": None}},
        {"usage": {"\ud800": 1, "promptTokens": 3}},
        {"\ud800": 1},
        {"finishReason": ["stop"]},
        {"taskType": None, "cost": "free"},
        {"reasoningContent": {"a": 1}},
        {"seed": "x", "thoughtSignature": 5, "model_config": {}, "text": {"a": [1]}},
    ],
)
def test_an_answer_that_was_paid_for_is_shown_however_odd_the_rest_is(
    odd: dict[str, object],
) -> None:
    (row,) = rows(ENDED, read(success(**odd)))
    assert row["text"] == odd.get("text", "A boat leaves.")


def test_what_earlier_attempts_cost_stands_on_the_first_row() -> None:
    items = answer(success(text="a", cost=0.5), success(text="b", cost=0.25))
    found = rows(ENDED | {"n": "2", "m": "850000000", "m1": "100000000"}, items)
    assert [row["cost"] for row in found] == [Decimal("0.6"), Decimal("0.25")]


@given(
    st.lists(st.none() | st.decimals(0, 9, places=10).map(float), min_size=1, max_size=4),
    st.integers(0, 10**10),
)
def test_the_cost_column_adds_up_to_the_bill(costs: list[float | None], others: int) -> None:
    items = answer(*(success(text=str(n), cost=cost) for n, cost in enumerate(costs)))
    bill = (total(item.cost for item in items) or 0) + others
    shown = [nano_from_usd(row["cost"]) for row in rows(ENDED | {"m": str(bill)}, items)]
    assert (total(shown) or 0) == bill


def test_attempts_are_counted_where_they_were_sent() -> None:
    second = {"a": "2", "i2": "ead5ba1a-9a2d-46e3-8ee2-373fb66251f6", "u1": "1"}
    assert rows({}, [])[0]["attempts"] == 0
    assert rows(second, [])[0]["attempts"] == 1
    assert rows(second | {"u2": "2"}, [])[0]["attempts"] == 2


def test_times_are_utc_with_milliseconds() -> None:
    assert moment(0) == "1970-01-01T00:00:00.000Z"
    assert moment(None) is None
