"""No body, whatever is in it, raises anything but Unreadable."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wire_samples import OURS, read, success

from tasks.claims import pack, unpack
from tasks.wire.answer import MOST_DEPTH, MOST_VALUES, Item, Unreadable, items, parse

UNREADABLE = {
    "nothing": b"",
    "cut": b'{"data":[{"taskUUID":"378a',
    "two values": b"{}{}",
    "NaN": b'{"cost":NaN}',
    "Infinity": b'{"cost":-Infinity}',
    "the same key twice": b'{"taskUUID":"a","taskUUID":"b"}',
    "the same key twice, below": b'{"data":[{"cost":1,"cost":2}]}',
    "a BOM": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "UTF-16 without BOM": "{}".encode("utf-16-le"),
    "UTF-32": "{}".encode("utf-32"),
    "latin-1": '{"text":"é"}'.encode("latin-1"),
    "an encoded surrogate": b'{"text":"\xed\xa0\x80"}',
    "a bare control character": b'{"text":"\x00"}',
    "an integer of 5,000 digits": b'{"seed":1' + b"0" * 5000 + b"}",
    "a number no double holds": b'{"cost":1e400}',
    "a number too small": b'{"cost":1e-400}',
    "an exponent of twenty digits": b'{"cost":1e99999999999999999999}',
    "an exponent that would fill memory": b'{"seed":1E+999999999}',
    "HTML": b"<html><body>502 Bad Gateway</body></html>",
}
DEEP = {
    "lists": b"[" * 100_000,
    "lists, closed": b"[" * 100_000 + b"]" * 100_000,
    "objects": b'{"a":' * 30_000,
    "one level too many": b"[" * (MOST_DEPTH + 1) + b"]" * (MOST_DEPTH + 1),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_body_that_is_not_strict_json_is_unreadable(name: str) -> None:
    with pytest.raises(Unreadable):
        parse(UNREADABLE[name])


def test_an_integer_of_too_many_digits_is_told_in_a_sentence() -> None:
    with pytest.raises(Unreadable, match=r"^a number has too many digits$"):
        parse(UNREADABLE["an integer of 5,000 digits"])


@pytest.mark.parametrize("name", DEEP)
def test_deep_nesting_is_refused_at_once(name: str) -> None:
    started = time.process_time()
    with pytest.raises(Unreadable, match="nested deeper than 64 levels"):
        parse(DEEP[name])
    assert time.process_time() - started < 1


@pytest.mark.parametrize("levels", [0, 2], ids=["flat", "in an envelope"])
def test_the_deepest_nesting_that_is_read_can_be_written_and_read_again(levels: int) -> None:
    deep: object = "x"
    for _ in range(MOST_DEPTH - 1 - levels):
        deep = [deep]
    body = success(text="seen", more=deep)
    found = read({"data": [body]} if levels else body)
    assert unpack(pack(found)) == found


@pytest.mark.parametrize("value", [b"0", b"{}", b"[]", b"0.5", b'"a"'])
def test_a_body_of_a_million_values_is_refused_at_once(value: bytes) -> None:
    body = b'{"data":[' + b",".join([value] * 1_000_000) + b"]}"
    started = time.process_time()
    with pytest.raises(Unreadable, match="more than 200,000 values"):
        parse(body)
    assert time.process_time() - started < 1


@pytest.mark.parametrize("end", [b"", b"\\", b'\\"' * 400_000], ids=["cut", "at a \\", "escapes"])
def test_a_string_without_an_end_is_looked_through_once(end: bytes) -> None:
    body = b'{"text":"' + b"{,[" * 200_000 + end
    started = time.process_time()
    with pytest.raises(Unreadable):
        parse(body)
    assert time.process_time() - started < 1


def test_a_body_of_more_items_than_were_asked_for_is_refused_before_one_is_made() -> None:
    with pytest.raises(Unreadable, match="more than 10,000 items"):
        read({"data": [0] * 6_000, "errors": [0] * 6_000})


def test_brackets_inside_a_text_are_no_nesting() -> None:
    text = "[{" * 100_000 + '\\"]'
    (item,) = read(success(text=text))
    assert item.raw["text"] == text


def test_a_long_text_full_of_brackets_is_read_in_no_time() -> None:
    body = json.dumps({"data": [success(text="[x] {y} " * 50_000)] * 20}).encode()
    started = time.process_time()
    assert len(items(parse(body))) == 20
    assert time.process_time() - started < 1.0  # 8 MB; character by character it took longer


@pytest.mark.parametrize(
    "cost", [-0.01, "0.01 USD", True, None, [], {"amount": 1}, 1_000_001, 1e300]
)
def test_a_cost_that_is_no_price_is_unknown_not_zero(cost: object) -> None:
    (item,) = read(success(cost=cost))
    assert item.cost is None


def test_a_cost_is_read_exactly() -> None:
    assert read(success())[0].cost is None
    (item,) = items(parse(json.dumps(success()).encode()[:-1] + b',"cost":0.01572}'))
    assert item.cost == 15_720_000


@pytest.mark.parametrize("status", [["success"], {"a": 1}, 5, True, ""])
@pytest.mark.parametrize("task_type", [["textInference"], {}, 5, None])
def test_fields_of_any_type_raise_nothing(status: object, task_type: object) -> None:
    body = success(status=status, taskType=task_type, taskUUID=[OURS], code={"a": []}, error=[1])
    assert all(item.task_uuid is None for item in read(body))


def test_words_with_lone_surrogates_can_be_stored() -> None:
    (item,) = items(parse(b'{"errors":[{"code":"bad\\ud800","message":"\\udfff!"}]}'))
    assert (item.code.encode(), item.message.encode()) == (b"bad\\ud800", b"\\udfff!")


def test_a_text_with_a_lone_surrogate_is_kept_as_it_came() -> None:
    found = items(parse(b'{"taskUUID":"a","text":"x\\ud800","finishReason":"stop"}'))
    assert found[0].raw["text"] == "x\ud800"
    assert unpack(pack(found)) == found


TOKEN = "canary-token".ljust(43, "x")


def test_a_callback_url_that_is_quoted_in_another_is_kept_without_its_token() -> None:
    url = f"https://hooks.example.com/webhooks/runware?k=k1&j={OURS}&e=1800000000&t={TOKEN}"
    told = {"message": f"see https://other.example/?next={quote(url, safe='')}", "code": "odd"}
    for body in ({**told, "taskUUID": OURS}, {**success(), "next": quote(url, safe="")}):
        (item,) = read(body)
        assert "canary" not in str(item)
        assert "%26t%3D***" in str(item)


@pytest.mark.parametrize(
    "quoted",
    [
        lambda url: url.replace("&", r"\u0026"),
        lambda url: url.replace("&", r"\u0026").replace("=", r"\u003d"),
        lambda url: url.replace("/", r"\/").replace("&", "&amp;"),
        lambda url: quote(quote(url, safe=""), safe=""),
        lambda url: quote(quote(quote(url, safe=""), safe=""), safe=""),
    ],
)
def test_a_callback_url_is_kept_without_its_token_however_it_was_quoted(
    quoted: Callable[[str], str],
) -> None:
    url = f"https://hooks.example.com/webhooks/runware?k=k1&j={OURS}&e=1800000000&t={TOKEN}"
    told = {"message": f"refused: {quoted(url)}", "code": "odd"}
    for body in ({**told, "taskUUID": OURS}, {**success(), "next": quoted(url)}):
        (item,) = read(body)
        assert "canary" not in str(item)
        assert "***" in str(item)


@pytest.mark.parametrize("equals", ["=", "%3D", "%3d"])
@pytest.mark.parametrize("place", ["flat", "nested", "code", "field", "below"])
def test_a_callback_url_that_is_sent_back_is_kept_without_its_token(
    equals: str, place: str
) -> None:
    url = f"https://hooks.example.com/webhooks/runware?k=k1&j={OURS}&e=1800000000&t{equals}{TOKEN}"
    told = {"code": "invalidWebhookURL", "message": f"Invalid value '{url}' for 'webhookURL'."}
    body: dict[str, object] = {"taskUUID": OURS, "status": "error"}
    body |= {
        "flat": told,
        "nested": {"error": told},
        "code": {"code": url},
        "field": {**success(), "webhookURL": url},
        "below": {**success(), "request": {"tasks": [{"webhookURL": url}]}},
    }[place]
    (item,) = items(parse(json.dumps(body).encode()))
    assert place in {"field", "below"} or f"e=1800000000&t{equals}***" in item.code + item.message
    (kept,) = unpack(pack([item]))
    for one in (item, kept):
        assert "canary" not in one.code + one.message + (str(one.raw) if place != "code" else "")
        assert place != "field" or one.raw == success()


def survives(body: bytes) -> list[Item]:
    """Read a body as the callback door does, and store and read again what it gave."""
    with suppress(Unreadable):
        found = items(parse(body))
        assert sorted(i.digest for i in unpack(pack(found))) == sorted(i.digest for i in found)
        return found
    return []


@given(st.binary(max_size=200))
@example(b'{"data":[{"status":[],"text":1e300}]}')
def test_arbitrary_bytes_raise_nothing_else(body: bytes) -> None:
    survives(body)


NAMES = st.sampled_from(
    [
        *("data", "errors", "error", "status", "taskType", "taskUUID"),
        *("text", "seed", "cost", "code", "message", "finishReason"),
    ]
)
WORDS = st.sampled_from(["success", "error", "processing", "textInference", "getResponse", OURS])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | WORDS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(NAMES, VALUES) | VALUES)
def test_arbitrary_values_under_the_names_of_the_contract_raise_nothing_else(body: object) -> None:
    survives(json.dumps(body).encode())


@pytest.mark.parametrize("piece", ["runware?", "webhooks/runware?k=", "&t=" + "x" * 43 + " "])
def test_a_text_full_of_pieces_of_callback_urls_is_read_at_once(piece: str) -> None:
    body = success(text="webhooks runware " + piece * (2_000_000 // len(piece)))
    started = time.process_time()
    read(body)
    assert time.process_time() - started < 1


def test_a_body_of_as_many_values_as_are_read_can_be_written_and_read_again() -> None:
    room = MOST_VALUES - json.dumps(success(more=[])).count(",") - 20
    (item,) = read(success(more=[0] * room))
    assert unpack(pack([item])) == [item]


def test_what_looks_like_a_token_in_a_text_is_left_alone() -> None:
    text = "see runware?t=short and webhooks at t=" + "x" * 43
    (item,) = read(success(text=text))
    assert item.raw["text"] == text
