"""CSV and TSV: the same rows as in JSON Lines, whatever program wrote them."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.defaults import defaults
from batches.manifest import manifest_at
from batches.problems import BadManifest
from batches.row import Row, Rules

URL = "https://assets.runware.ai/a.mp4"
SEVERAL = "holds several URLs: name the column"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "clips.csv"


def read(file: Path, text: str | bytes) -> list[Row]:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    manifest = manifest_at(file)
    manifest.check()
    return list(manifest.rows())


def refusal(file: Path, text: str | bytes) -> list[str]:
    """Return the lines of a refusal behind the first."""
    with pytest.raises(BadManifest) as caught:
        read(file, text)
    assert str(file) in str(caught.value)
    return str(caught.value).split("\n  ")[1:]


def test_cells_become_the_values_that_json_lines_has(file: Path) -> None:
    head = "custom_id,video,prompt,maxTokens,temperature,seed,stopSequences,settings,camera"
    cells = f"""07, {URL} ,What?,900,0.30,7.0,"[""a"", ""b""]","{{""topP"": 0.5}}",north"""
    (row,) = read(file, f"{head}\n{cells}\n")
    assert row.custom_id == "07"
    assert row.columns == {"camera": "north"}
    assert row.body["seed"] == 7
    assert row.body["inputs"] == {"videos": [URL]}
    assert row.body["settings"] == {
        "maxTokens": 900,
        "temperature": Decimal("0.30"),
        "topP": Decimal("0.5"),
        "stopSequences": ["a", "b"],
    }


@pytest.mark.parametrize(
    "cell", [f'"[""{URL}"", ""{URL}?2""]"', f"{URL} {URL}?2", f'" {URL}\r\n{URL}?2\n"']
)
def test_a_list_of_media_is_json_or_words_or_lines(cell: str, file: Path) -> None:
    (row,) = read(file, f"videos,prompt\n{cell},What?")
    assert row.body["inputs"] == {"videos": [URL, f"{URL}?2"]}


def test_a_cell_of_spaces_asks_nothing_and_hides_no_default(file: Path) -> None:
    text = f"custom_id,video,prompt,maxTokens,note,\na,{URL},  , ,  , \n \u00a0, ,\t,  , ,\n"
    file.write_text(text, "utf-8")
    manifest = manifest_at(file, Rules(defaults(None, {"prompt": "What?", "maxTokens": 900})))
    assert manifest.check().rows == 1
    (row,) = manifest.rows()
    assert row.body["messages"] == [{"role": "user", "content": "What?"}]
    assert row.body["settings"] == {"maxTokens": 900}
    assert row.columns == {"note": "  "}  # the user's own are as they are
    (missing,) = refusal(file, f"custom_id,video,prompt\na,{URL}, \n")
    assert missing.startswith("line 2, prompt: is missing")


def test_an_empty_cell_is_no_value_and_a_row_of_them_no_row(file: Path) -> None:
    rows = read(file, "custom_id,prompt,maxTokens,note\n\na,What?,,\n,,,\nb,What?,5,x\n")
    assert [(row.line, row.custom_id, dict(row.columns)) for row in rows] == [
        (3, "a", {}),
        (5, "b", {"note": "x"}),
    ]
    assert "settings" not in rows[0].body


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_row_over_several_lines_goes_by_its_first(file: Path, line_end: str) -> None:
    text = line_end.join(["custom_id,prompt", 'a,"What', "", 'happens?"', "b,Why?", ""])
    rows = read(file, text)
    assert [(row.line, row.custom_id) for row in rows] == [(2, "a"), (5, "b")]
    assert rows[0].body["messages"][0]["content"] == line_end.join(["What", "", "happens?"])


@pytest.mark.parametrize(
    ("cell", "way"),
    [
        (f'"[""{URL}""]"', "rename it videos"),
        (f'"{{""url"": ""{URL}""}}"', "give the medium in it a column video"),
    ],
)
def test_a_medium_in_the_json_of_a_cell_that_is_not_sent_is_told(
    cell: str, way: str, file: Path
) -> None:
    (told,) = refusal(file, f"custom_id,prompt,clip\na,What?,{cell}\n")
    assert told.startswith(f"line 2, clip: is not sent, and the row has no medium: {way}, or")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_of_any_spreadsheet_is_read(file: Path, encoding: str) -> None:
    text = 'custom_id,prompt,Ort\r\n🎬,"Où, ""là""?",Köln\r\n'
    (row,) = read(file, text.encode(encoding))
    assert (row.custom_id, row.columns) == ("🎬", {"Ort": "Köln"})
    assert row.body["messages"][0]["content"] == 'Où, "là"?'


def test_tabs_separate_the_cells_of_tsv(tmp_path: Path) -> None:
    (row,) = read(tmp_path / "clips.tsv", 'custom_id\tprompt\na\tWhat, and "why"?\n')
    assert row.body["messages"][0]["content"] == 'What, and "why"?'


def test_a_cell_may_have_ten_megabytes(file: Path) -> None:
    (row,) = read(file, f"custom_id,prompt,video\na,What?,{'A' * 10_000_000}\n")
    assert len(row.body["inputs"]["videos"][0]) == 10_000_000


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,a,prompt\nx,y,z", "line 1, header ('a'): names two columns; rename one"),
        (f"c1,{URL},What?\nc2,{URL},Why?", f"line 1, header ('{URL}'): is no column name"),
        ("c1,7,What?", "line 1, header ('7'): is no column name; the first line must name"),
        ("custom_id;prompt\na;What?", "line 1, header ('custom_id;prompt'): is one column"),
        ("custom_id,prompt\na,What?,x", "line 2, row ('a'): has 3 cells, the header names 2"),
        ("custom_id,prompt,note\na,What?", "line 2, row ('a'): has 2 cells, the header names 3"),
        ("custom_id,prompt,\na,What?,x", "line 2, column 3 ('x'): has no name in the header"),
        (
            "custom_id,prompt,videos\na,What?,https://a.b/1.mp4;https://a.b/2.mp4",
            "line 2, videos ('https://a.b/1.mp4;https://a.b/2.mp4'): holds several URLs: put",
        ),
        (
            'custom_id,prompt,image\na,What?,"https://a.b/1.png, https://a.b/2.png"',
            f"line 2, image ('https://a.b/1.png, https://a.b/2.png'): {SEVERAL} images, and",
        ),
        (
            "custom_id,prompt,video\na,What?,https://a.b/1.mp4 https://a.b/2.mp4",
            f"line 2, video ('https://a.b/1.mp4 https://a.b/2.mp4'): {SEVERAL} videos, and",
        ),
        ('custom_id,prompt\na,x\nb,"What\n?\n', "line 3, row: a quote that opens in this row is"),
        ('custom_id,prompt\na,"What" is it', "line 2, row: a quote stands within a cell; write"),
        ("custom_id,prompt\ra,What?", "line 1, row: lines end in CR alone; save the file with"),
        ("custom_id,prompt\na,Wh\0at?", "line 2, row ('a,Wh\\x00at?'): holds a NUL byte"),
        (b"custom_id,prompt\na,caf\xe9", "line 2, row ('a,caf\ufffd'): byte 6 of the line (0xe9)"),
        ("\ncustom_id,promt\na,\nb,x", "line 2, promt: is not sent: did you mean prompt?"),
        ("custom_id,prompt,cost\na,x,\nb,x,1", "line 1, cost: the results have a column of this"),
        ("id,2023\na,x", "line 1, header ('2023'): is no column name; the first line must name"),
        ("custom_id,prompt,maxTokens\na,x,1k", "line 2, maxTokens ('1k'): must be a whole number"),
        ("custom_id,prompt,settings\na,x,{", "line 2, settings ('{'): must be an object like"),
        ("custom_id,prompt\na,x\na,x", "line 3, custom_id ('a'): stands on line 2 already"),
    ],
)
def test_what_cannot_be_read_is_told_with_line_value_and_fix(
    text: str | bytes, told: str, file: Path
) -> None:
    assert told in refusal(file, text)[0]


def test_a_wrong_name_is_told_once_where_the_names_stand_and_wrong_values_in_their_rows(
    file: Path,
) -> None:
    told = refusal(file, "custom_id,prompt,vidoe,maxTokens\na,x,y,k\nb,x,y,1\nc,x,y,z\n")
    assert [text.split(" (")[0].split(":")[0] for text in told] == [
        "line 1, vidoe",
        "line 2, maxTokens",
        "line 4, maxTokens",
    ]
    assert told[0].endswith("carry it along with --passenger vidoe")


def test_a_column_may_be_called_by_a_number_beside_names_that_are_known(file: Path) -> None:
    (row,) = read(file, "custom_id,prompt,2023,-1.5\na,What?,7,8\n")
    assert row.columns == {"2023": "7", "-1.5": "8"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    ("header", "mark"),
    [
        ("custom_id;video;Länge, Sek.", ";"),
        ('custom_id;video;"Länge, Sek."', ";"),
        ("Länge, Sek.;custom_id;video", ";"),
        ("custom_id\tvideo\tLänge, Sek.", "\t"),
        ("custom_id|video|Länge, Sek.", "|"),
        ("id;clip;Länge, Sek.", ";"),
        ("Sep=,\ncustom_id;video;Länge, Sek.", ";"),
    ],
)
def test_a_comma_in_a_name_hides_no_other_separator(
    header: str, mark: str, encoding: str, file: Path
) -> None:
    row = mark.join(["kamera-1", URL, "3,50"])
    manifest = manifest_at(file, Rules(defaults(None, {"prompt": "What?"})))
    file.write_text(f"{header}\n{row}\n", encoding)
    with pytest.raises(BadManifest) as caught:
        manifest.check()
    assert f"is one column: separate its names with commas in .csv, tabs in .tsv, not {mark!r}" in (
        str(caught.value)
    )


@pytest.mark.parametrize(
    ("ending", "header", "own"),
    [
        ("csv", 'custom_id,prompt,"Ort; Land; Planet"', ["Ort; Land; Planet"]),
        ("csv", 'custom_id,prompt,"video;seed;model"', ["video;seed;model"]),
        ("csv", '"Länge, Breite, video",custom_id,prompt', ["Länge, Breite, video"]),
        ("tsv", "Länge, Breite, Höhe\tcustom_id\tprompt", ["Länge, Breite, Höhe"]),
        ("tsv", "Länge, Breite\tA;B;C;D\tprompt", ["Länge, Breite", "A;B;C;D"]),
    ],
)
def test_a_name_may_hold_what_separates_names_elsewhere(
    ending: str, header: str, own: list[str], tmp_path: Path
) -> None:
    cells = ("\t" if ending == "tsv" else ",").join("xyz")
    (row,) = read(tmp_path / f"clips.{ending}", f"{header}\n{cells}\n")
    assert list(row.columns) == own


@pytest.mark.parametrize("first", ["sep=,", '"sep=,"', "SEP=,\r", "\ufeffsep=;", "sep=\t"])
def test_a_first_line_by_which_excel_knows_the_separator_is_no_row(first: str, file: Path) -> None:
    mark = first.strip('"\r')[-1]
    text = mark.join(["custom_id", "prompt"]) + "\n" + mark.join(["a", '"What,; \tis it?"'])
    (row,) = read(file, f"{first}\n{text}\n")
    assert (row.line, row.custom_id) == (3, "a")
    assert row.body["messages"][0]["content"] == "What,; \tis it?"
    told = refusal(file, f"{first}\n{text}\nb{mark}x{mark}y\n")
    assert told == ["line 4, row ('b'): has 3 cells, the header names 2 columns; " + CELLS]


CELLS = "put cells with separators or line ends in quotes"


@pytest.mark.parametrize("text", ["", "\n", "sep=,", "custom_id,prompt\n", "custom_id,prompt\n,\n"])
def test_a_table_without_rows_is_told_what_to_hold(text: str, file: Path) -> None:
    with pytest.raises(BadManifest, match="holds no rows; the first line names the columns"):
        read(file, text)


def test_several_damaged_rows_are_told_at_once(file: Path) -> None:
    told = refusal(file, "custom_id,prompt\na\nb,x,y\nc,What?\nd,What?,,\n")
    assert [text.split(",")[0] for text in told] == ["line 2", "line 3", "line 5"]


TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1)
NAMES = st.sampled_from(["camera", "Ort", "shot no.", "x"])
ROWS = st.fixed_dictionaries(
    {"prompt": TEXTS},
    optional={
        "video": st.just(URL),
        "images": st.lists(st.just(URL), min_size=1, max_size=3),
        "maxTokens": st.integers(1, 128_000),
        "temperature": st.decimals(0, 2, places=2),
        "stopSequences": st.lists(TEXTS.map(lambda text: text[:50]), max_size=5),
    },
)


@given(
    st.lists(st.tuples(ROWS, st.dictionaries(NAMES, TEXTS)), min_size=1, max_size=5),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_any_rows_are_the_same_as_csv_and_as_json_lines(
    tmp_path: Path, listed: list[tuple[dict[str, Any], dict[str, str]]], end: str, encoding: str
) -> None:
    rows = [{"custom_id": f"{n}", **own, **more} for n, (own, more) in enumerate(listed)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = io.StringIO(newline="")
    # With LF alone the writer leaves a CR at the end of a row without quotes.
    quoting = csv.QUOTE_ALL if end == "\n" else csv.QUOTE_MINIMAL
    writer = csv.DictWriter(table, names, lineterminator=end, quoting=quoting)
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    lines = end.join(json.dumps(row, default=float, ensure_ascii=False) for row in rows)
    as_csv = read(tmp_path / "rows.csv", table.getvalue().encode(encoding))
    as_json = read(tmp_path / "rows.jsonl", lines.encode(encoding))
    assert [_content(row) for row in as_csv] == [_content(row) for row in as_json]
    assert [row.custom_id for row in as_csv] == [row["custom_id"] for row in rows]


def test_a_row_of_thousands_of_columns_takes_little_once_their_names_are_known(file: Path) -> None:
    cells, taken = ",".join(["1"] * 5000), []
    for count in (1, 10):
        names = ",".join(f"sensor_{count}_{n:04}" for n in range(5000))
        rows = [f"row-{n},What?,{cells}" for n in range(count)]
        start = process_time()
        assert len(read(file, "\n".join([f"custom_id,prompt,{names}", *rows]))) == count
        taken.append(process_time() - start)
    assert taken[1] < 5 * taken[0]


def _cell(value: object) -> str:
    return json.dumps(value) if isinstance(value, list) else str(value)


def _content(row: Row) -> tuple[object, ...]:
    return row.custom_id, row.body, row.columns
