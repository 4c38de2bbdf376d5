"""What a person reads about a row: line, column, value, fix."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.columns import OUTPUT
from batches.problems import BadRow, RowError, shown
from batches.row import read_row
from tasks.wire.request import dumps


def told(**given: object) -> list[str]:
    with pytest.raises(BadRow) as caught:
        read_row(7, {"custom_id": "a", **given})
    return [str(error) for error in caught.value.errors]


def one(**given: object) -> str:
    (text,) = told(prompt="What?", **given)
    return text


def test_an_error_names_line_column_value_and_fix() -> None:
    assert one(maxTokens=0) == ("line 7, maxTokens (0): must be a whole number from 1 to 128000")
    assert one(temperature=Decimal("0.005")) == (
        "line 7, temperature (0.005): must be a number from 0 to 2 in steps of 0.01"
    )
    assert one(video="clip.mp4") == (
        "line 7, video ('clip.mp4'): must be an http(s) URL, a media UUID or base64"
    )
    assert told() == [
        "line 7, prompt: is missing; give the row a prompt, or all of them one with --prompt"
    ]


def test_a_column_is_named_as_the_user_wrote_it() -> None:
    assert one(videos=["clip.mp4"]).startswith("line 7, videos.0 ('clip.mp4')")
    assert one(inputs={"videos": ["x"]}).startswith("line 7, inputs.videos.0 ('x')")
    assert one(settings={"topP": 5}).startswith("line 7, settings.topP (5)")
    assert one(stopSequences=["x", ""]).startswith("line 7, stopSequences.1 ('')")
    assert told(prompt=5) == ["line 7, prompt (5): must be text, not blank"]
    assert told(prompt=" \n\u00a0") == ["line 7, prompt (' \\n\\xa0'): must be text, not blank"]


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("maxTokens", "900", "must be a whole number from 1 to 128000"),
        ("maxTokens", True, "must be a whole number from 1 to 128000"),
        ("numberResults", 5, "must be a whole number from 1 to 4"),
        ("seed", -1, "must be a whole number from 0 to 4294967295"),
        ("topP", "high", "must be a number from 0 to 1 in steps of 0.01"),
        ("systemPrompt", "", "must be text of 1 to 200000 characters"),
        ("stopSequences", "x", "must be a list of at most 5 texts of 1 to 50 characters"),
        ("model", "gpt", "must be google:gemini@3.1-pro, or left out"),
        ("settings", 5, 'must be an object like {"maxTokens": 900}'),
        ("videos", "x", "must be a list of at least one medium, each an http(s) URL, a media"),
        ("custom_id", 7, 'must be text, in quotes: "7", not 7'),
        ("custom_id", "a\x07", "must be printable characters; take out U+0007"),
        ("note", "x" * 1000, ""),
    ],
)
def test_an_error_says_what_the_column_takes(column: str, value: object, problem: str) -> None:
    given = {"custom_id": "a", "prompt": "What?", column: value}
    errors: list[RowError] = []
    try:
        read_row(7, given)
    except BadRow as exc:
        errors = exc.errors
    assert [(error.column, error.problem[: len(problem)]) for error in errors] == (
        [(column, problem)] if problem else []
    )


@pytest.mark.parametrize("value", [[], 0, False, ""])
def test_what_is_no_object_is_no_empty_one_either(value: object) -> None:
    assert one(settings=value).startswith(f"line 7, settings ({value!r}): must be an object like")
    assert one(settings=value, maxTokens=5).startswith(f"line 7, settings ({value!r}): must be")
    assert one(inputs=value).startswith(f"line 7, inputs ({value!r}): must be an object like")
    given = {"custom_id": "a", "prompt": "What?"}
    for empty in ({}, None):
        assert read_row(7, {**given, "settings": empty, "inputs": empty})


NOT_READ = "is no URL that can be read: take stray brackets and symbols out of its host"


@pytest.mark.parametrize("column", ["video", "image", "audio", "document"])
@pytest.mark.parametrize("host", ["[abc", "abc]", "ex\u2100mple.com"])
def test_a_url_whose_host_cannot_be_read_is_told_whatever_the_medium(
    column: str, host: str
) -> None:
    url = f"https://{host}/7.mp4"
    assert one(**{column: url}) == f"line 7, {column} ('{url}'): {NOT_READ}"
    assert one(**{f"{column}s": [url]}) == f"line 7, {column}s.0 ('{url}'): {NOT_READ}"
    assert one(inputs={f"{column}s": [url]}).endswith(NOT_READ)


def test_such_a_url_in_a_column_that_is_not_sent_is_told_as_any_other() -> None:
    assert one(url="https://[abc/7.jpg").startswith(
        "line 7, url: is not sent, and the row has no medium: rename it image, or"
    )


def test_a_data_uri_of_an_image_that_is_none_says_what_is_wrong_with_it() -> None:
    assert one(image="data:image/png;base64,AAAA") == (
        "line 7, image ('data:image/png;base64,AAAA'): "
        "must hold base64 of an image after the comma, at least 64 characters"
    )


def test_roles_and_contents_of_a_conversation_are_told_by_their_place() -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": ""}, 5]
    assert [text.split(": must")[0] for text in told(messages=turns)] == [
        "line 7, messages.0.role ('system')",
        "line 7, messages.1.content ('')",
        "line 7, messages.2 (5)",
    ]


def test_a_conversation_that_ends_with_the_model_is_told_as_such() -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert told(messages=turns) == ["line 7, messages: the last message must be the user's"]


def test_a_field_of_another_model_is_none() -> None:
    assert one(settings={"topK": 5}) == "line 7, settings.topK (5): is no field of this model"
    assert one(inputs={"films": []}) == "line 7, inputs.films ([]): is no field of this model"


def test_every_error_of_a_row_is_told_at_once() -> None:
    texts = told(prompt="x", messages=[], seed=-1, maxTokens="many", taskUUID="x", state="x")
    columns = ["taskUUID", "state", "prompt", "seed", "maxTokens"]
    assert [text.split(" ")[2].rstrip(":") for text in texts] == columns


@pytest.mark.parametrize("given", [[], "text", 5, None, True])
def test_a_row_that_is_no_object_is_told_as_such(given: object) -> None:
    with pytest.raises(BadRow) as caught:
        read_row(7, given)
    (error,) = caught.value.errors
    assert str(error) == f"line 7, row ({given!r}): must be a JSON object, one a line"


def test_a_value_is_shown_short_and_on_one_line() -> None:
    assert shown("a\nb\x1b[31m") == r"'a\nb\x1b[31m'"
    assert len(shown("x" * 10_000_000)) == 60


def test_a_name_is_shown_short_and_on_one_line_too() -> None:
    long = one(settings={"x" * 1_000_000: "y" * 1_000_000})
    assert len(long) < 200
    assert r"settings.a\n\x1b[31m" in one(settings={"a\n\x1b[31m": 1})


NAMES = st.sampled_from(
    [
        *("custom_id", "prompt", "messages", "model", "seed", "numberResults", "inputs"),
        *("settings", "video", "images", "temperature", "maxTokens", "stopSequences", "note"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(-1e9, 1e9, places=3) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(NAMES | st.text(max_size=5), VALUES))
def test_any_row_is_either_queued_as_it_is_or_refused_with_its_line(given: object) -> None:
    errors: list[RowError] = []
    try:
        row, _ = read_row(7, given)
    except BadRow as exc:
        errors = exc.errors
    else:
        assert not row.columns.keys() & set(OUTPUT)
        assert dumps(row.body)
        assert 1 <= len(row.custom_id) <= 256
    assert all(str(error).startswith("line 7, ") for error in errors)
    assert all("\n" not in str(error) for error in errors)
