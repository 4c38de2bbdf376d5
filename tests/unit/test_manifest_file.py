"""A manifest is read whole before anything of it is queued."""

import bz2
import gzip
import io
import json
import lzma
import os
import zipfile
from pathlib import Path

import pytest

from batches.checking import MOST_COUNTED, MOST_ERRORS
from batches.manifest import manifest_at
from batches.problems import BadManifest

BOM = b"\xef\xbb\xbf"


def line(custom_id: object = "a", **fields: object) -> bytes:
    return json.dumps({"custom_id": custom_id, "prompt": "What?", **fields}).encode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "clips.jsonl"


def refusal(file: Path, content: bytes | None = None) -> str:
    if content is not None:
        file.write_bytes(content)
    return refusal_of(file)


def refusal_of(path: Path) -> str:
    with pytest.raises(BadManifest) as caught:
        manifest_at(path).check()
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_good_manifest_is_counted_and_read_in_order(file: Path) -> None:
    file.write_bytes(b"\n".join(line(str(n), numberResults=n) for n in (3, 1, 2)))
    checked = manifest_at(file).check()
    assert (checked.rows, checked.results, checked.warnings) == (3, 6, [])
    rows = [(row.line, row.custom_id) for row in manifest_at(file).rows()]
    assert rows == [(1, "3"), (2, "1"), (3, "2")]


@pytest.mark.parametrize(
    "content",
    [
        BOM + line("a") + b"\n" + line("b") + b"\n",
        line("a") + b"\r\n" + line("b") + b"\r\n",
        b"\n\n  \n" + line("a") + b"\n\t\n" + line("b") + b"\n\n",
        line("a") + b"\n" + line("b"),
    ],
    ids=["BOM", "CRLF", "blank lines", "no last line end"],
)
def test_a_manifest_may_come_from_any_editor(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert manifest_at(file).check().rows == 2
    assert [row.custom_id for row in manifest_at(file).rows()] == ["a", "b"]


def test_lines_are_counted_as_an_editor_counts_them(file: Path) -> None:
    text = refusal(file, b"\n\r\n" + line("a", note="\u2028\x85") + b"\n\n{bad}\n")
    assert "  line 5, row ('{bad}'): is not a JSON object" in text
    assert "double quotes at character 2; write one a line" in text


@pytest.mark.parametrize("content", [b"", b"\n\n", BOM, b" \r\n"])
def test_a_manifest_without_rows_is_told_what_to_hold(file: Path, content: bytes) -> None:
    assert "holds no rows; write one JSON object per line" in refusal(file, content)


def test_a_manifest_that_cannot_be_read_is_told_why(file: Path, tmp_path: Path) -> None:
    assert "No such file or directory" in refusal(file)
    assert "holds no media files" in refusal_of(tmp_path)
    (tmp_path / "x.jsonl").mkdir()
    assert "holds no media files" in refusal_of(tmp_path / "x.jsonl")
    (tmp_path / "jobs.dat").touch()
    assert "say what it holds with --format jsonl|csv|tsv|urls" in refusal_of(tmp_path / "jobs.dat")


def test_a_binary_file_is_refused_in_a_screenful(file: Path) -> None:
    text = refusal(file, os.urandom(200_000))
    assert "is not UTF-8" in text
    assert len(text) < 10_000
    assert text.isascii() or text.replace("\n", "").isprintable()


def spreadsheet() -> bytes:
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return file.getvalue()


@pytest.mark.parametrize("ending", ["jsonl", "csv", "urls", "xlsx"])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (gzip.compress(line("a")), "is packed with gzip: unpack it, or let another program do so"),
        (bz2.compress(line("a")), "is packed with bzip2: unpack it"),
        (lzma.compress(line("a")), "is packed with xz: unpack it"),
        (spreadsheet(), "is a spreadsheet or a ZIP archive: save its table as CSV UTF-8, or"),
        (b"PAR1\x15\x04", "is Parquet: write its rows as JSON Lines or CSV"),
    ],
    ids=["gzip", "bzip2", "xz", "ZIP", "Parquet"],
)
def test_a_packed_file_or_a_spreadsheet_is_told_as_what_it_is_and_what_to_do(
    tmp_path: Path, content: bytes, told: str, ending: str
) -> None:
    (path := tmp_path / f"jobs.{ending}").write_bytes(content)
    text = refusal_of(path)
    assert told in text
    assert text.count("\n") <= 1


def test_rows_with_one_custom_id_are_told_with_both_lines(file: Path) -> None:
    text = refusal(file, line("a") + b"\n" + line("b") + b"\n" + line("a"))
    assert "line 3, custom_id ('a'): stands on line 1 already; each row needs its own" in text


def test_a_line_number_used_as_custom_id_is_no_twin_of_another_row(file: Path) -> None:
    text = refusal(file, line("2") + b'\n{"prompt": "x"}')
    assert "line 2, custom_id ('2'): stands on line 1 already" in text


def test_one_bad_line_at_the_end_refuses_the_whole_manifest(file: Path) -> None:
    good = b"".join(line(str(n)) + b"\n" for n in range(2000))
    text = refusal(file, good + line("last", maxTokens=0))
    assert "was not queued, nothing was spent" in text
    assert "line 2001, maxTokens (0)" in text


def test_many_errors_are_told_as_twenty(file: Path) -> None:
    text = refusal(file, b"1\n" * 5000)
    assert text.count("line ") == MOST_ERRORS
    assert text.endswith("... and 4980 more")
    text = refusal(file, b"1\n" * 2 * MOST_COUNTED)
    assert text.endswith("... and at least 9980 more")


@pytest.mark.parametrize("rows", [[{}, {"a": 1}], [], [[[]]]])
@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_of_rows_is_one_error_that_says_how_to_make_lines_of_it(
    file: Path, rows: list[object], indent: int | None
) -> None:
    text = refusal(file, b"\n " + json.dumps(rows, indent=indent).encode())
    told = "line 2, row: is a JSON array; write its objects one a line, for example with jq -c"
    assert told in text
    assert text.count("\n") == 1


def test_a_number_of_too_many_digits_is_told_with_its_line(file: Path) -> None:
    text = refusal(file, line("a") + b'\n{"n": ' + b"9" * 5000 + b"}")
    assert "line 2, n (99999" in text
    assert "): has too many digits for a number; write it as text, in quotes" in text


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ('"prompt": "x", "prompt": "y"', "prompt: stands twice in the row; take one out"),
        ('"note": {"b": 1, "b": 2}', "note ('b'): stands twice in an object; take one out"),
        (
            '"n": 1, "note": [{"a\\nb": 1, "a\\nb": 2}]',
            r"note ('a\nb'): stands twice in an object;",
        ),
        ('"note": NaN', "note (NaN): is no JSON; write null, or text, in quotes"),
        ('"note": {"d": [1, -Infinity]}', "note (-Infinity): is no JSON; write null, or text, in"),
        (
            '"note": [1e400]',
            "note (1e400): is too large or too small for a number; write it as text",
        ),
        ('"note": 1e-999', "note (1e-999): is too large or too small for a number; write it as"),
        (f'"note": {"[" * 70}{"]" * 70}', 'row (\'{"custom_id": "a", "note": [[[[['),
    ],
)
def test_json_that_not_all_read_alike_is_told_with_its_column_and_the_fix(
    file: Path, fields: str, told: str
) -> None:
    text = refusal(file, line("b") + b'\n{"custom_id": "a", ' + fields.encode() + b"}")
    assert f"line 2, {told}" in text
    assert "one a line" not in text


def test_a_list_among_rows_is_its_own_error(file: Path) -> None:
    text = refusal(file, line("a") + b"\n[1]\n" + line("b", seed=-1))
    assert "line 2, row ([1]): must be a JSON object, one a line" in text
    assert "line 3, seed (-1)" in text


def test_what_is_wrong_with_a_column_is_told_once_for_all_its_rows(file: Path) -> None:
    text = refusal(file, b'{"vidoe": "x", "prompt": "y"}\n' * 5000 + line("a", seed=-1))
    assert text.count("\n") == 2
    assert "line 1, vidoe: is not sent: did you mean video?" in text
    assert "(also on 4999 more)" in text
    assert "line 5001, seed (-1)" in text


def test_different_errors_of_one_column_are_told_and_counted_apart(file: Path) -> None:
    both = b'{"prompt": "x", "messages": []}\n'
    text = refusal(file, both * 2 + line("a", prompt=None) + b"\n" + both + line("b", prompt=5))
    assert text.splitlines()[1:] == [
        "  line 1, prompt: stands beside messages; give one of them (also on 2 more)",
        "  line 3, prompt: is missing; give the row a prompt, or all of them one with --prompt",
        "  line 5, prompt (5): must be text, not blank",
    ]


def test_each_row_without_a_prompt_is_named_where_others_have_one(file: Path) -> None:
    rows = [line(str(n), prompt=None if n in (1, 6, 901) else "x") for n in range(1, 1501)]
    missing = [text.split(":")[0] for text in refusal(file, b"\n".join(rows)).splitlines()[1:]]
    assert missing == ["  line 1, prompt", "  line 6, prompt", "  line 901, prompt"]
    text = refusal(file, b"\n".join(line(str(n), prompt=None) for n in range(1500)))
    assert text.count("\n") == 1
    assert "line 1, prompt: is missing" in text
    assert text.endswith("(also on 1499 more)")


def test_a_prompt_is_there_where_a_conversation_is(file: Path) -> None:
    turns = [{"role": "user", "content": "What?"}]
    text = refusal(file, b'{"a": 1}\n{"a": 1}\n' + line("a", messages=turns, prompt=None))
    assert [told.split(":")[0] for told in text.splitlines()[1:]] == [
        "  line 1, prompt",
        "  line 2, prompt",
    ]


def test_one_row_of_many_errors_is_told_as_twenty(file: Path) -> None:
    text = refusal(file, line("a", inputs={"videos": ["x"] * 1000}))
    assert text.count("line 1,") == MOST_ERRORS


def test_a_line_of_ten_megabytes_is_one_row(file: Path) -> None:
    file.write_bytes(line("a", video="A" * 10_000_000) + b"\n" + line("b", note="x" * 10_000_000))
    assert manifest_at(file).check().rows == 2


def test_a_bad_line_of_ten_megabytes_is_told_in_one_short_line(file: Path) -> None:
    text = refusal(file, b"{" * 10_000_000 + b"\n" + line("b", prompt=["x" * 10_000_000]))
    assert len(text) < 1000
    assert "line 2, prompt" in text


@pytest.mark.parametrize(
    "bad",
    [
        b'{"custom_id": "a", "prompt": "x", "prompt": "y"}',
        b'{"custom_id": "a", "prompt": "x", "note": NaN}',
        b'{"custom_id": "a", "prompt": "x", "note": 1e400}',
        b'{"custom_id": "a", "prompt": "\xff"}',
        b'{"custom_id": "a", "prompt": "\\ud800"}',
        line() + b"\x00",
        b'{"custom_id": "a", "prompt": "x", "note": ["\\ud800"]}',
        b'{"custom_id": "a", "prompt": "x", "note": ' + b"[" * 100 + b"]" * 100 + b"}",
        line() + line("b"),
    ],
    ids=[
        "twin keys",
        "NaN",
        "1e400",
        "no UTF-8",
        "half a character",
        "NUL",
        "half a note",
        "deep",
        "two rows",
    ],
)
def test_a_line_that_two_readers_would_read_differently_is_refused(file: Path, bad: bytes) -> None:
    assert "line 1, " in refusal(file, bad)


def test_warnings_carry_their_line(file: Path) -> None:
    file.write_bytes(line("a") + b"\n" + line("b", thinkingLevel="minimal"))
    text = "line 2: thinkingLevel 'minimal' is none of low, medium, high; it is sent as it is"
    assert manifest_at(file).check().warnings == [text]
    file.write_bytes(line("a", thinkingLevel="x") + b"\n" + line("b", thinkingLevel="x"))
    (told,) = manifest_at(file).check().warnings
    assert told.startswith("line 1: ")
    assert told.endswith("(also on 1 more)")


def test_rows_without_custom_id_are_one_warning_that_says_what_inserting_lines_does(
    file: Path,
) -> None:
    file.write_bytes(line("a") + b'\n{"prompt": "x"}' * 5000)
    (told,) = manifest_at(file).check().warnings
    assert told.startswith("line 2: 5000 rows have no custom_id, so the line number is used: ")
    assert "inserting lines shifts it" in told
    assert [row.custom_id for row in manifest_at(file).rows()][:3] == ["a", "2", "3"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_a_manifest_may_be_in_utf_16_with_its_mark(file: Path, encoding: str) -> None:
    mark = "" if encoding in ("utf-16", "utf-8-sig") else "\ufeff"
    rows = [line(str(n), prompt="Où? 🎬\u2028" + "x" * n) for n in range(2000)]
    text = mark + "\n".join(json.dumps(json.loads(r), ensure_ascii=False) for r in rows)
    file.write_bytes(text.encode(encoding))
    assert manifest_at(file).check().rows == 2000
    found = [row.body["messages"][0]["content"] for row in manifest_at(file).rows()]
    assert found == ["Où? 🎬\u2028" + "x" * n for n in range(2000)]


def test_a_wrong_encoding_is_told_with_line_and_byte(file: Path) -> None:
    text = refusal(file, line("a") + b'\n{"custom_id": "\xe9"}')
    assert "line 2" in text
    assert "byte 16 of the line (0xe9) is not UTF-8: save the file as UTF-8" in text
    text = refusal(file, "\ufeff{}\n".encode("utf-16-le") + b"\x00\xd8\x41\x00\n\x00")
    assert "line 2, row: byte 9 of the file is not UTF-16 though its BOM says so" in text
    assert "is UTF-32" in refusal(file, line("a").decode().encode("utf-32"))


def test_a_row_that_never_ends_does_not_fill_the_memory(file: Path) -> None:
    with file.open("wb") as stream:
        stream.truncate(70_000_000)
    assert "line 1, row: is longer than 64 MB" in refusal(file)


def test_twins_are_told_where_their_rows_have_other_errors_too(file: Path) -> None:
    text = refusal(file, line("a", seed=-1) + b"\n" + line("b") + b"\n" + line("a", seed=-1))
    assert "line 1, seed (-1)" in text
    assert "line 3, custom_id ('a'): stands on line 1 already" in text


def test_many_twins_are_counted(file: Path) -> None:
    text = refusal(file, b"\n".join(line(str(n % 1000)) for n in range(3000)))
    assert "line 1001, custom_id ('0'): stands on line 1 already" in text
    assert text.endswith("... and 1980 more")


@pytest.mark.parametrize("after", [b"{}\n", b"", line("c") + b"\n", None])
def test_what_is_queued_is_what_was_checked_whatever_the_file_becomes(
    file: Path, after: bytes | None
) -> None:
    file.write_bytes(line("a") + b"\n" + line("b", price=0.10))
    manifest = manifest_at(file)
    manifest.check()
    first = manifest.rows()
    assert next(first).custom_id == "a"
    file.unlink()
    if after is not None:
        file.write_bytes(after)
    again = list(manifest.rows())  # one reading does not disturb another
    assert [row.custom_id for row in (*first, *again)] == ["b", "a", "b"]
    assert [str(row.columns["price"]) for row in again[1:]] == ["0.1"]


def test_what_was_kept_on_disk_goes_with_the_manifest(file: Path) -> None:
    def kept() -> int:
        open_files = [str(fd.resolve()) for fd in Path("/proc/self/fd").iterdir()]
        return sum("etilqs" in name for name in open_files)  # as SQLite calls its temporary files

    file.write_bytes(b"\n".join(line(str(n), note="x" * 10_000) for n in range(800)))
    before = kept()
    manifest = manifest_at(file)
    assert manifest.check().rows == 800
    assert kept() == before + 1
    assert sum(1 for _ in manifest.rows()) == 800
    del manifest
    assert kept() == before


def test_rows_that_nobody_checked_are_checked_before_the_first(file: Path) -> None:
    file.write_bytes(line("a") + b"\n{}\n")
    with pytest.raises(BadManifest, match="was not queued"):
        next(manifest_at(file).rows())


def test_a_manifest_may_be_checked_again_when_it_was_mended(file: Path) -> None:
    file.write_bytes(b"{}\n")
    manifest = manifest_at(file)
    for _ in range(2):
        with pytest.raises(BadManifest):
            manifest.check()
        with pytest.raises(BadManifest):
            next(manifest.rows())
    file.write_bytes(line("a"))
    manifest.check()
    file.write_bytes(line("b"))
    manifest.check()
    assert [row.custom_id for row in manifest.rows()] == ["b"]
