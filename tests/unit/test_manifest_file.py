"""A manifest is read whole before anything of it is queued."""

import json
import os
from pathlib import Path

import pytest

from batches import manifest
from batches.manifest import MOST_ERRORS, BadManifest

BOM = b"\xef\xbb\xbf"


def line(custom_id: object = "a", **fields: object) -> bytes:
    return json.dumps({"custom_id": custom_id, "prompt": "What?", **fields}).encode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "clips.jsonl"


def refusal(file: Path, content: bytes | None = None) -> str:
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadManifest) as caught:
        manifest.check(file)
    assert str(file) in str(caught.value)
    return str(caught.value)


def test_a_good_manifest_is_counted_and_read_in_order(file: Path) -> None:
    file.write_bytes(b"\n".join(line(str(n), numberResults=n) for n in (3, 1, 2)))
    checked = manifest.check(file)
    assert (checked.rows, checked.results, checked.warnings) == (3, 6, [])
    rows = [(row.line, row.custom_id) for row in manifest.rows(file)]
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
    assert manifest.check(file).rows == 2
    assert [row.custom_id for row in manifest.rows(file)] == ["a", "b"]


def test_lines_are_counted_as_an_editor_counts_them(file: Path) -> None:
    text = refusal(file, b"\n\r\n" + line("a", note="\u2028\x85") + b"\n\n{bad}\n")
    assert "  line 5, row ('{bad}'): is not a JSON object" in text


@pytest.mark.parametrize("content", [b"", b"\n\n", BOM, b" \r\n"])
def test_a_manifest_without_rows_is_told_what_to_hold(file: Path, content: bytes) -> None:
    assert "holds no rows; write one JSON object per line" in refusal(file, content)


def test_a_manifest_that_cannot_be_read_is_told_why(file: Path, tmp_path: Path) -> None:
    assert "No such file or directory" in refusal(file)
    assert "Is a directory" in refusal(tmp_path)


def test_a_binary_file_is_refused_in_a_screenful(file: Path) -> None:
    text = refusal(file, os.urandom(200_000))
    assert "is not a JSON object" in text
    assert len(text) < 10_000
    assert text.isascii() or text.replace("\n", "").isprintable()


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
    text = refusal(file, b"{}\n" * 5000)
    assert text.count("line ") == MOST_ERRORS
    assert text.endswith("... and more")


def test_one_row_of_many_errors_is_told_as_twenty(file: Path) -> None:
    text = refusal(file, line("a", inputs={"videos": ["x"] * 1000}))
    assert text.count("line 1,") == MOST_ERRORS


def test_a_line_of_ten_megabytes_is_one_row(file: Path) -> None:
    file.write_bytes(line("a", video="A" * 10_000_000) + b"\n" + line("b", note="x" * 10_000_000))
    assert manifest.check(file).rows == 2


def test_a_bad_line_of_ten_megabytes_is_told_in_one_short_line(file: Path) -> None:
    text = refusal(file, b"[" * 10_000_000 + b"\n" + line("b", prompt=["x" * 10_000_000]))
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
        line().decode().encode("utf-16"),
        line() + line("b"),
    ],
    ids=["twin keys", "NaN", "1e400", "no UTF-8", "half a character", "UTF-16", "two rows"],
)
def test_a_line_that_two_readers_would_read_differently_is_refused(file: Path, bad: bytes) -> None:
    assert "line 1, " in refusal(file, bad)


def test_warnings_carry_their_line(file: Path) -> None:
    file.write_bytes(line("a") + b'\n{"prompt": "x"}')
    assert manifest.check(file).warnings == ["line 2: no custom_id: the line number is used"]


def test_a_manifest_that_changes_while_it_is_queued_is_noticed(file: Path) -> None:
    file.write_bytes(line("a") + b"\n" + line("b"))
    rows = manifest.rows(file)
    assert next(rows).custom_id == "a"
    file.write_bytes(line("a") + b"\n{}\n")
    with pytest.raises(BadManifest, match="changed while it was queued: line 2"):
        list(manifest.rows(file))
