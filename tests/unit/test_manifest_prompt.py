"""Prompts with slots, and what a batch gives to its rows."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.defaults import BadSetting, defaults, settings_from
from batches.manifest import Manifest, manifest_at
from batches.problems import BadManifest
from batches.prompt import Prompt
from batches.row import Row, Rules


def manifest(folder: Path, rows: list[dict[str, Any]], **options: object) -> Manifest:
    file = options.pop("file", None)
    rules = Rules(defaults(file if isinstance(file, Path) else None, options))
    path = folder / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return manifest_at(path, rules)


def read(folder: Path, rows: list[dict[str, Any]], **options: object) -> list[Row]:
    found = manifest(folder, rows, **options)
    found.check()
    return list(found.rows())


def asked(row: Row) -> object:
    return row.body["messages"][-1]["content"]


def refusal(folder: Path, rows: list[dict[str, Any]], **options: object) -> str:
    with pytest.raises(BadManifest) as caught:
        manifest(folder, rows, **options).check()
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("See {camera}.", "See north."),
        ("{camera}{camera} {n} {list} {yes}", 'northnorth 1.50 ["a", "é"] true'),
        ('{"a": {"b": 1}} {"camera"}', '{"a": {"b": 1}} {"camera"}'),
        ("{{camera}} {{other}} {{1}}", "{camera} {other} {{1}}"),
        ("{} { camera } {1} {a b} {\ncamera}", "{} { camera } {1} {a b} {\ncamera}"),
        ("{shot no.}, {Ort}", "7, Köln"),
        ("{tricky}", "{camera} {{camera}}"),
        ("{custom_id} of {video}", "a of https://x.example/a.mp4"),
        ("{camera", "{camera"),
    ],
)
def test_only_the_name_of_a_column_in_braces_is_filled_in(
    text: str, filled: str, tmp_path: Path
) -> None:
    row = {
        "custom_id": "a",
        "video": "https://x.example/a.mp4",
        "camera": "north",
        "n": 1,
        "list": ["a", "é"],
        "yes": True,
        "shot no.": "7",
        "Ort": "Köln",
        "tricky": "{camera} {{camera}}",
    }
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row).replace('"n": 1', '"n": 1.50'), encoding="utf-8")
    found = manifest_at(path, Rules(defaults(None, {"prompt": text})))
    found.check()
    assert [asked(row) for row in found.rows()] == [filled]


def test_a_name_that_is_no_column_is_an_error_that_lists_the_columns(tmp_path: Path) -> None:
    rows = [{"custom_id": f"{n}", "camera": "north"} for n in range(50)]
    text = refusal(tmp_path, rows, prompt="See {camra}.")
    assert text.count("\n") == 1
    assert "line 1, camra: the prompt has {camra}, but this row has no value for it." in text
    assert "It has custom_id, camera. Write {{camra}} for {camra} itself (also on 49 more)" in text


@pytest.mark.parametrize("name", ["camera", "shot no."])
def test_a_row_without_a_value_for_a_slot_is_named(name: str, tmp_path: Path) -> None:
    rows = [{"custom_id": "a", name: "x"}, {"custom_id": "b", name: None}, {"custom_id": "c"}]
    text = refusal(tmp_path, rows, prompt=f"See {{{name}}}.")
    assert f"line 2, {name}: the prompt has {{{name}}}, but this row has no value" in text


@pytest.mark.parametrize("name", ["camera", "shot no."])
def test_each_row_without_a_value_is_named_where_others_have_one(name: str, tmp_path: Path) -> None:
    def told(*without: int) -> str:
        rows = [{"custom_id": f"{n}", name: "x"} for n in range(1, 1501)]
        for number in without:
            del rows[number - 1][name]
        return refusal(tmp_path, rows, prompt=f"See {{{name}}}.")

    lines = [text.split(":")[0] for text in told(6, 901, 1201).splitlines()[1:]]
    assert lines == [f"  line {n}, {name}" for n in (6, 901, 1201)]
    first = told(*range(1, 1500)).splitlines()
    assert [text.split(",")[0] for text in first[1:-1]] == [f"  line {n}" for n in range(1, 21)]
    assert first[-1] == "  ... and 1479 more"


def test_a_column_is_there_where_only_a_row_with_its_own_prompt_has_it(tmp_path: Path) -> None:
    rows = [{"custom_id": "a"}, {"custom_id": "b", "camera": "n", "prompt": "What?"}, {}]
    text = refusal(tmp_path, rows, prompt="See {camera}.")
    assert [told.split(":")[0] for told in text.splitlines()[1:]] == [
        "  line 1, camera",
        "  line 3, camera",
    ]


def test_a_prompt_of_a_row_is_its_own_and_taken_word_for_word(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Why {camera}?"}]
    rows = [
        {"custom_id": "a", "camera": "north", "prompt": "What {camera}?"},
        {"custom_id": "b", "messages": turns},
        {"custom_id": "c", "camera": "north", "prompt": None},
    ]
    found = read(tmp_path, rows, prompt="See {camera}.")
    assert [asked(row) for row in found] == ["What {camera}?", "Why {camera}?", "See north."]


@pytest.mark.parametrize("kind", ["json", "toml"])
def test_rows_win_over_options_and_options_over_the_file(kind: str, tmp_path: Path) -> None:
    file = tmp_path / f"defaults.{kind}"
    text = {
        "json": '\ufeff{"prompt": "File", "maxTokens": 1, "settings": {"topP": 0.1, '
        '"temperature": 0.1}, "image": "https://x.example/i.jpg", "seed": 1}',
        "toml": 'prompt = "File"\nmaxTokens = 1\nseed = 1\nimage = "https://x.example/i.jpg"\n'
        "[settings]\ntopP = 0.1\ntemperature = 0.1\n",
    }[kind]
    file.write_text(text, encoding="utf-8")
    rows = [
        {"custom_id": "a"},
        {"custom_id": "b", "maxTokens": 3, "video": "https://x.example/v.mp4", "prompt": "Row"},
        {"custom_id": "c", "settings": {"topP": 0.3}, "images": ["https://x.example/r.jpg"]},
    ]
    a, b, c = read(tmp_path, rows, file=file, prompt="Option", topP=Decimal("0.2"))
    tenth = Decimal("0.1")
    assert [asked(row) for row in (a, b, c)] == ["Option", "Row", "Option"]
    assert a.body["settings"] == {"maxTokens": 1, "topP": Decimal("0.2"), "temperature": tenth}
    assert b.body["settings"] == {"maxTokens": 3, "topP": Decimal("0.2"), "temperature": tenth}
    assert c.body["settings"] == {"maxTokens": 1, "topP": Decimal("0.3"), "temperature": tenth}
    assert a.body["inputs"] == {"images": ["https://x.example/i.jpg"]}
    assert set(b.body["inputs"]) == {"images", "videos"}
    assert c.body["inputs"] == {"images": ["https://x.example/r.jpg"]}
    assert {row.body["seed"] for row in (a, b, c)} == {1}


def test_a_null_in_the_defaults_file_says_nothing(tmp_path: Path) -> None:
    file = tmp_path / "defaults.json"
    file.write_text('{"prompt": null, "settings": {"maxTokens": null}, "inputs": {"videos": null}}')
    (row,) = read(tmp_path, [{"custom_id": "a"}], file=file, prompt="What?", maxTokens=77)
    assert (asked(row), row.body["settings"]) == ("What?", {"maxTokens": 77})
    told = refusal(tmp_path, [{"custom_id": "a", "clip": "7.mp4"}], file=file, prompt="What?")
    assert "is not sent, and the row has no medium: rename it video" in told
    file.write_text('{"settings": {"maxTokens": 5}}')
    (row,) = read(tmp_path, [{"custom_id": "a"}], file=file, prompt="What?", maxTokens=None)
    assert row.body["settings"] == {"maxTokens": 5}


def test_a_prompt_of_the_file_has_slots_too_and_a_conversation_has_none(tmp_path: Path) -> None:
    file = tmp_path / "defaults.json"
    file.write_text('{"prompt": "See {camera}."}')
    assert asked(read(tmp_path, [{"camera": "north"}], file=file)[0]) == "See north."
    turns = '{"messages": [{"role": "user", "content": "See {camera}."}]}'
    file.write_text(turns)
    assert asked(read(tmp_path, [{"camera": "north"}], file=file)[0]) == "See {camera}."
    assert asked(read(tmp_path, [{"camera": "n"}], file=file, prompt="{camera}")[0]) == "n"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"maxTokens": 0}, "--set maxTokens (0): must be a whole number from 1 to 128000"),
        ({"prompt": ""}, "--prompt (''): must be text, not blank"),
        ({"prompt": " "}, "--prompt (' '): must be text, not blank"),
        ({"systemPrompt": "x" * 200_001}, "must be text of 1 to 200000 characters"),
        ({"topP": "x"}, "--set topP ('x'): must be a number from 0 to 1 in steps of 0.01"),
    ],
)
def test_a_bad_option_is_told_once_as_the_option(
    options: dict[str, object], told: str, tmp_path: Path
) -> None:
    assert told in refusal(tmp_path, [{"custom_id": "a"}], **options)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not JSON (name it .toml if it is TOML)"),
        ("[1]", "must be an object of request fields"),
        ('{"maxTokens": "9"}', "defaults.json, maxTokens ('9'): must be a whole number"),
        ('{"max_tokens": 9}', "defaults.json, max_tokens: is no request field; did you mean max"),
        ('{"camera": "x"}', "defaults.json, camera: is no request field; columns of your own"),
        ('{"custom_id": "x"}', "defaults.json, custom_id: each row needs its own; leave it out"),
        ('{"webhookURL": "x"}', "defaults.json, webhookURL: leave it out: callbacks go to"),
        ('{"prompt": 5}', "defaults.json, prompt (5): must be text, not blank"),
        ('{"settings": false}', "defaults.json, settings (False): must be an object like"),
        ('{"prompt": "x", "messages": []}', "defaults.json, prompt: stands beside messages"),
        ("\xff", "byte 1 is not UTF-8"),
    ],
)
def test_a_bad_file_of_defaults_is_told_with_its_name(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "defaults.json"
    file.write_text(text, encoding="latin-1")
    assert told in refusal(tmp_path, [{"custom_id": "a"}], file=file)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"video": "no.mp4"}', ["video of --defaults ('no.mp4'): no such file: no.mp4; media"]),
        ('{"videos": ["empty.mp4"]}', ["video of --defaults ('empty.mp4'): is an empty file"]),
        (
            '{"images": ["ftp://x/y", 5], "audio": "no.wav"}',
            [
                "audio of --defaults ('no.wav'): no such file",
                "images.0 of --defaults ('ftp://x/y'): is no http(s) URL",
                "images.1 of --defaults (5): must be an http(s) URL",
            ],
        ),
        ('{"inputs": {"films": []}}', ["inputs.films of --defaults ([]): is no field of this"]),
        ('{"inputs": 5}', ["inputs of --defaults (5): must be an object like"]),
        ('{"inputs": []}', ["inputs of --defaults ([]): must be an object like"]),
    ],
)
def test_a_bad_medium_of_the_defaults_is_told_once_and_blamed_on_no_row(
    text: str, told: list[str], tmp_path: Path
) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "defaults.json").write_text(text)
    (tmp_path / "rows.csv").write_text("custom_id,prompt\na,x\nb,y\n")
    rules = Rules(defaults(tmp_path / "defaults.json", {}))
    with pytest.raises(BadManifest, match="was not queued, nothing was spent:") as caught:
        manifest_at(tmp_path / "rows.csv", rules, media_roots=()).check()
    found = sorted(str(caught.value).split("\n  ")[1:])
    assert [line[: len(start)] for line, start in zip(found, told, strict=True)] == told


@pytest.mark.parametrize("number", ["9" * 5000, "1e99999999999999999999"])
def test_a_number_in_toml_that_nothing_holds_is_told_with_the_file(
    number: str, tmp_path: Path
) -> None:
    file = tmp_path / "defaults.toml"
    file.write_text(f"seed = {number}")
    with pytest.raises(BadManifest, match=r"defaults\.toml.* a number has too many digits"):
        defaults(file, {})


def test_a_prompt_that_is_empty_is_told_with_the_file_it_is_from(tmp_path: Path) -> None:
    file = tmp_path / "question.txt"
    file.write_text("\n")
    with pytest.raises(BadManifest, match=r"question\.txt, prompt \(''\): must be text, not blank"):
        defaults(None, {}, file)


def test_a_prompt_from_a_file_wins_over_defaults_as_one_on_the_command_line_does(
    tmp_path: Path,
) -> None:
    file, question = tmp_path / "defaults.json", tmp_path / "question.txt"
    file.write_text('{"messages": [{"role": "user", "content": "no"}], "maxTokens": 9}')
    question.write_text("\ufeffWhat is {camera}?\n", encoding="utf-8")
    assert defaults(file, {}, question) == defaults(file, {"prompt": "What is {camera}?"})


def test_defaults_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadManifest, match="No such file or directory"):
        defaults(tmp_path / "none.json", {})


def test_set_reads_numbers_and_lists_and_refuses_what_is_no_setting() -> None:
    given = ["maxTokens=900", "topP=0.90", 'stopSequences=["a"]', "thinkingLevel=low", "seed=1"]
    assert settings_from(given) == {
        "maxTokens": 900,
        "topP": Decimal("0.90"),
        "stopSequences": ["a"],
        "thinkingLevel": "low",
        "seed": 1,
    }
    for bad in (["maxTokens"], ["prompt=x"], ["max_tokens=1"], ["seed=1", "seed=2"]):
        with pytest.raises(BadSetting):
            settings_from(bad)


NAMES = st.sampled_from(["camera", "a b", "Ort", "x-1"])


@given(st.text("{}ab \n"), st.dictionaries(NAMES, st.text("{}ab \n")))
def test_a_text_without_names_of_columns_stays_as_it_is(text: str, columns: dict[str, str]) -> None:
    if "{{" not in text:
        kept = {name: value for name, value in columns.items() if f"{{{name}}}" not in text}
        assert Prompt(text).filled(kept) == text


@given(st.lists(NAMES | st.text("xyz\n\"': ,.", max_size=5)), st.dictionaries(NAMES, st.text()))
def test_values_are_put_in_as_they_are(parts: list[str], columns: dict[str, str]) -> None:
    text = "".join(f"{{{part}}}" if part in columns else part for part in parts)
    expected = "".join(columns.get(part, part) for part in parts)
    assert Prompt(text).filled(columns) == expected
