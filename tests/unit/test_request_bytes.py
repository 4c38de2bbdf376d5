"""What goes over the wire: the official examples, byte for byte the same each time."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_samples import OURS, request

from batches.manifest import manifest_at
from tasks.claims import Claimed
from tasks.payload import compose
from tasks.reading_requests import Request
from tasks.token import Keyring
from tasks.wire.answer import parse
from tasks.wire.request import TextInference, dumps

EXAMPLES = Path(__file__).parents[2] / "examples" / "four-analyses.jsonl"
OFFICIAL = json.loads((Path(__file__).parent / "data" / "official-requests.json").read_bytes())
ADDED = {
    "deliveryMethod": "async",
    "includeCost": True,
    "includeUsage": True,
    "numberResults": 1,
}
RING = Keyring("reelqueue", {"k1": bytes(32)})


def sent(body: dict[str, Any], uuid: str = OURS, callback: str | None = None) -> bytes:
    job = Claimed(uuid, 1, "1", "k1", 1_900_000_000, uuid, 0, "batch_0")
    return compose(Request("custom", body, {}), job, RING, callback)


def test_the_example_manifest_becomes_exactly_the_official_requests() -> None:
    rows = {row.custom_id: row for row in manifest_at(EXAMPLES).rows()}
    assert rows.keys() == OFFICIAL.keys()
    for name, official in OFFICIAL.items():
        body = json.loads(sent(rows[name].body, official["taskUUID"]))
        assert body == official | ADDED
        assert set(rows[name].columns) == {"scene"}


def test_equal_requests_are_equal_bytes_whatever_order_they_were_written_in() -> None:
    messages = [{"role": "user", "content": "Où? \U0001f600"}]
    one = {"messages": messages, "settings": {"topP": 0.9, "temperature": Decimal("0.30")}}
    two = {"settings": {"temperature": 0.3, "topP": Decimal("0.9")}, "messages": messages}
    assert sent(one) == sent(two)
    assert b'"temperature":0.3,' in sent(one)


def test_the_callback_url_carries_the_token_of_the_job() -> None:
    body = {"messages": [{"role": "user", "content": "x"}]}
    url = json.loads(sent(body, callback="https://me.example/hook"))["webhookURL"]
    assert url == f"https://me.example/hook?{RING.query('k1', OURS, 1_900_000_000)}"


def test_what_was_not_asked_for_is_not_sent() -> None:
    fields = json.loads(sent(request(seed=None, settings=None)))
    assert fields.keys() == {*ADDED, "taskType", "taskUUID", "model", "messages"}


@pytest.mark.parametrize("hundredths", range(0, 201, 7))
def test_every_step_of_a_setting_arrives_as_it_was_written(hundredths: int) -> None:
    written = Decimal(hundredths) / 100
    task = TextInference(**request(settings={"temperature": written}))
    read = parse(dumps(task.model_dump(exclude_none=True)))
    assert read["settings"]["temperature"] == written


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), Decimal("Infinity")])
def test_what_is_no_json_number_is_never_sent(value: object) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps({"value": value})


def test_what_is_no_json_value_is_never_sent() -> None:
    with pytest.raises(TypeError, match="not a JSON value: bytes"):
        dumps({"value": b"bytes"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.decimals(-9999, 9999, places=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_what_is_written_is_read_again_equal(value: object) -> None:
    assert parse(dumps(value)) == value
    assert dumps(parse(dumps(value))) == dumps(value)
