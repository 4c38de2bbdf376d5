"""One row of a manifest: what becomes the request, what is carried, what is refused."""

from decimal import Decimal
from shlex import quote
from time import process_time

import pytest

from batches.columns import OURS, OUTPUT
from batches.defaults import Defaults
from batches.problems import BadRow, RowError
from batches.prompt import Prompt
from batches.row import Row, Rules, read_row

URL = "https://assets.runware.ai/a.mp4"
IMAGE = "https://assets.runware.ai/b.jpg"
UUID = "0b6e2f0a-58f7-4c41-9ba5-3f4c1f0a7c21"


def row(**given: object) -> Row:
    return read_row(7, {"custom_id": "a", "prompt": "What?", **given})[0]


def errors(given: object) -> list[RowError]:
    with pytest.raises(BadRow) as caught:
        read_row(7, given)
    return caught.value.errors


def told(**given: object) -> list[tuple[str, str]]:
    """Return column and problem of each error of a row that is well but for these columns."""
    return [(e.column, e.problem) for e in errors({"custom_id": "a", "prompt": "What?", **given})]


def test_flat_columns_become_the_nested_request() -> None:
    body = row(video=URL, temperature=Decimal("0.3"), maxTokens=900, seed=7, numberResults=2).body
    assert body == {
        "model": "google:gemini@3.1-pro",
        "numberResults": 2,
        "seed": 7,
        "messages": [{"role": "user", "content": "What?"}],
        "inputs": {"videos": [URL]},
        "settings": {"temperature": Decimal("0.3"), "maxTokens": 900},
    }


def test_nested_fields_are_taken_as_the_provider_has_them() -> None:
    flat = row(videos=[URL], image=IMAGE, topP=Decimal("0.9"), systemPrompt="Be brief.")
    nested = row(
        inputs={"videos": [URL], "images": [IMAGE]},
        settings={"topP": Decimal("0.9"), "systemPrompt": "Be brief."},
    )
    assert flat.body == nested.body


def test_a_setting_may_stand_beside_the_nested_ones_but_not_twice() -> None:
    settings = {"topP": Decimal("0.9")}
    assert row(settings=settings, maxTokens=5).body["settings"] == {**settings, "maxTokens": 5}
    problem = "stands beside settings.topP; give one of them"
    assert told(settings=settings, topP=Decimal("0.8")) == [("topP", problem)]


def test_settings_that_are_none_are_not_lost_behind_a_flat_one() -> None:
    for bad in ("high", ["high"], 5):
        assert [column for column, _ in told(settings=bad, maxTokens=5)] == ["settings"]
        assert [column for column, _ in told(inputs=bad)] == ["inputs"]


def test_messages_stand_in_place_of_a_prompt() -> None:
    messages = [{"role": "user", "content": "Why?"}]
    given = {"custom_id": "a", "messages": messages}
    assert read_row(1, given)[0].body["messages"] == messages
    assert told(messages=messages) == [("prompt", "stands beside messages; give one of them")]


@pytest.mark.parametrize("one", ["video", "image", "audio", "document"])
def test_a_medium_stands_in_one_column(one: str) -> None:
    many = f"{one}s"
    assert row(**{one: URL}).body["inputs"] == row(**{many: [URL]}).body["inputs"] == {many: [URL]}
    assert (one, f"stands beside {many}; give one of them") in told(**{one: URL, many: [URL]})
    both = told(**{one: URL, "inputs": {many: [URL]}})
    assert (one, "stands beside inputs; give one of them") in both


@pytest.mark.parametrize("name", OURS)
def test_what_is_ours_is_refused_with_the_reason(name: str) -> None:
    ((column, problem),) = told(**{name: "x"})
    assert (column, problem) == (name, f"leave it out: {OURS[name]}")


@pytest.mark.parametrize("name", sorted(set(OUTPUT) - {"custom_id", "seed"}))
def test_a_column_that_the_results_have_is_refused(name: str) -> None:
    assert told(**{name: "x"}) == [(name, "the results have a column of this name; rename yours")]


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("vidoe", "video"),
        ("promt", "prompt"),
        ("maxToken", "maxTokens"),
        ("tempurature", "temperature"),
        ("systm_promt", "systemPrompt"),
        ("Custom-Id", "custom_id"),
        ("seed2", "seed"),
        ("input", "inputs"),
        ("max_tokens", "maxTokens"),
        ("MaxTokens", "maxTokens"),
        ("top-p", "topP"),
        ("system prompt", "systemPrompt"),
        ("number_results", "numberResults"),
        ("Video", "video"),
        ("thinkinglevel", "thinkingLevel"),
    ],
)
def test_a_field_in_another_spelling_is_refused_rather_than_carried(name: str, field: str) -> None:
    ((column, problem),) = told(**{name: 5})
    assert column == name
    assert problem.startswith(f"is not sent: did you mean {field}?")


@pytest.mark.parametrize(
    "name", ["top", "id", "stage", "radio", "side", "name", "video_id", "imageNo", "model id"]
)
def test_a_column_that_only_resembles_a_field_is_carried(name: str) -> None:
    assert row(**{name: "x"}).columns == {name: "x"}


def test_a_column_may_be_called_almost_as_a_field_where_it_is_named_a_passenger() -> None:
    given = {"custom_id": "a", "prompt": "x", "speed": 5, "mode": 7}
    allowed = Rules(passengers=frozenset({"speed", "mode"}))
    assert read_row(1, given, allowed)[0].columns == {"speed": 5, "mode": 7}
    with pytest.raises(BadRow) as caught:
        read_row(1, given, Rules(passengers=frozenset({"speed"})))
    (error,) = caught.value.errors
    assert error.problem.endswith("carry it along with --passenger mode")


@pytest.mark.parametrize("name", ["url", "video_url", "imageUrl", "file", "Path", "file name"])
def test_a_medium_in_a_column_that_is_not_sent_is_told_rather_than_paid_for(name: str) -> None:
    ((column, problem),) = told(**{name: "https://assets.runware.ai/b.jpg"})
    assert column == name
    assert problem.startswith("is not sent, and the row has no medium: rename it image")
    assert row(video=URL, **{name: IMAGE}).columns == {name: IMAGE}


@pytest.mark.parametrize("name", ["clip", "source", "clip_path", "s3_uri", "a b"])
@pytest.mark.parametrize(
    ("value", "field"),
    [
        (URL, "video"),
        (f" {URL}?sig=1 ", "video"),
        ("s3://bucket/7.mp4", "video"),
        ("clips/7.MOV", "video"),
        ("https://assets.runware.ai/b.jpg#x", "image"),
        ([URL, "https://x.example/8.mp4"], "videos"),
    ],
)
def test_a_medium_in_a_column_of_any_name_is_told_where_the_row_has_none(
    name: str, value: object, field: str
) -> None:
    ((column, problem),) = told(**{name: value})
    assert column == name
    assert problem.startswith(f"is not sent, and the row has no medium: rename it {field}, or")
    assert problem.endswith(f"carry it along with --passenger {quote(name)}")
    assert row(image=IMAGE, **{name: value}).columns == {name: value}
    given = {"custom_id": "a", "prompt": "What?", name: value}
    assert read_row(7, given, Rules(passengers=frozenset({name})))[0].columns == {name: value}


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"url": URL}, "video"),
        ({"url": "https://x.example/7"}, "video"),
        ({"image": UUID}, "image"),
        ({"images": [UUID]}, "image"),
        ({"clip": {"files": [{"at": "a/7.pdf"}]}}, "document"),
        ([{"url": IMAGE}], "image"),
        (["intro", URL], "video"),
        ([7, None, [URL]], "video"),
        ({f"{number}": "x" for number in range(200)} | {"last": URL}, "video"),
    ],
)
def test_a_medium_within_a_column_is_told_where_the_row_has_none(value: object, field: str) -> None:
    for name in ("clip", "media"):
        ((column, problem),) = told(**{name: value})
        assert column == name
        assert problem.startswith(
            "is not sent, and the row has no medium: give the medium in it a column "
            f"{field}, or carry it along with --passenger"
        )
        assert row(image=IMAGE, **{name: value}).columns == {name: value}


def test_of_a_column_without_end_the_begin_is_looked_at() -> None:
    deep: object = URL
    for _ in range(5_000):
        deep = [deep]
    for value in (deep, ["x"] * 1_000_000, {str(n): [n] * 1000 for n in range(1000)}):
        started = process_time()
        assert row(clip=value).columns == {"clip": value}
        assert process_time() - started < 0.1


@pytest.mark.parametrize(
    "value", [{"video": "1080p", "audio": "aac"}, {"url": ""}, ["intro", "outro"], {"path": "a/b"}]
)
def test_words_within_a_column_are_no_medium(value: object) -> None:
    assert row(clip=value, media=value).columns == {"clip": value, "media": value}


@pytest.mark.parametrize("value", ["north", "v1.2", "https://x.example/7", "", 7, None, [], {}])
def test_a_column_without_a_medium_in_it_is_carried_by_a_row_without_one(value: object) -> None:
    assert row(clip=value).columns == {"clip": value}


def test_the_words_of_a_question_are_no_medium() -> None:
    given = {"custom_id": "b/7.mp4", "prompt": "What is in a/7.mp4", "_error": "no such file 7.mp4"}
    assert read_row(1, {**given, "systemPrompt": "Of 7.mp4"})[0].columns == {}


def test_a_url_that_a_prompt_is_filled_with_is_text_and_still_no_medium() -> None:
    asked = Defaults(prompt=Prompt("What is at {clip}?"))
    given = {"custom_id": "a", "clip": URL}
    with pytest.raises(BadRow) as caught:
        read_row(1, given, Rules(asked))
    assert [error.column for error in caught.value.errors] == ["clip"]
    read, _ = read_row(1, given, Rules(asked, frozenset({"clip"})))
    assert read.body["messages"][0]["content"] == f"What is at {URL}?"


def test_the_medium_of_a_row_is_not_lost_behind_one_of_the_defaults() -> None:
    rules = Rules(Defaults({"inputs": {"documents": ["https://x.example/guide.pdf"]}}))
    given = {"custom_id": "a", "prompt": "What?", "url": URL}
    with pytest.raises(BadRow) as caught:
        read_row(1, given, rules)
    (error,) = caught.value.errors
    assert (error.column, error.problem.split(":")[0]) == (
        "url",
        "is not sent, and the row has no medium but that of --defaults",
    )
    assert read_row(1, {"custom_id": "a", "prompt": "What?"}, rules)[0].body["inputs"]


def test_a_misspelt_field_with_a_medium_is_one_error() -> None:
    ((column, problem),) = told(vidoe=URL)
    assert (column, problem.partition("?")[0]) == ("vidoe", "is not sent: did you mean video")


def test_a_null_is_as_good_as_no_value() -> None:
    nulls = dict.fromkeys(["video", "images", "maxTokens", "seed", "settings", "messages"])
    assert row(**nulls).body == row().body


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"inputs": {"videos": None}}, {"inputs": {"videos": [URL]}}),
        ({"inputs": {"videos": None, "images": [IMAGE]}}, {"inputs": {"images": [IMAGE]}}),
        ({"settings": {"maxTokens": None}}, {"settings": {"maxTokens": 77}}),
        ({"settings": {"topP": None}, "maxTokens": 5}, {"settings": {"maxTokens": 5}}),
        ({"settings": {"maxTokens": None}, "maxTokens": 5}, {"settings": {"maxTokens": 5}}),
    ],
)
def test_a_null_within_a_field_erases_nothing_that_the_defaults_say(
    given: dict[str, object], sent: dict[str, dict[str, object]]
) -> None:
    rules = Rules(Defaults({"inputs": {"videos": [URL]}, "settings": {"maxTokens": 77}}))
    body = read_row(7, {"prompt": "What?", **given}, rules)[0].body
    assert all(body[name] | sent[name] == body[name] for name in sent)


def test_a_null_medium_is_none_beside_one_in_another_column() -> None:
    for inputs in ({"videos": None}, {}, None):
        ((column, _),) = told(inputs=inputs, clip=URL)
        assert column == "clip"


def test_all_other_columns_are_carried_in_their_order() -> None:
    columns = {"z": 1, "": None, "a b": [Decimal("1.5")], "self": {"x": "é"}, "model_config": 0}
    carried = row(**columns, _error="seen before").columns
    assert list(carried.items()) == list(columns.items())


@pytest.mark.parametrize("custom_id", ["a", "x" * 256, "clip 7", "Ünï—code 🎬", "'; DROP", "a|b"])
def test_a_custom_id_may_be_any_printable_text(custom_id: str) -> None:
    assert row(custom_id=custom_id).custom_id == custom_id


@pytest.mark.parametrize(
    "custom_id",
    [
        *("", "x" * 257, "a\nb", "a\x00", "\x1b[31m", "\ud800", 7, None, True, ["a"]),
        *("a\u202eb", "a\u200bb", "a\u2028b", "\ufeffa", "a\u2066b", "\ufffe", "\U000e0001"),
    ],
)
def test_a_custom_id_that_is_none_is_refused(custom_id: object) -> None:
    assert [column for column, _ in told(custom_id=custom_id)] == ["custom_id"]


def test_a_row_without_custom_id_goes_by_its_line() -> None:
    assert read_row(7, {"prompt": "What?"})[0].custom_id == "7"


def test_an_unknown_thinking_level_is_a_warning_of_its_row() -> None:
    _, warnings = read_row(7, {"custom_id": "a", "prompt": "x", "thinkingLevel": "minimal"})
    assert warnings == ["thinkingLevel 'minimal' is none of low, medium, high; it is sent as it is"]
