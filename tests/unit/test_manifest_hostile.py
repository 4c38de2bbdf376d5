"""No bytes, names or rows end a check otherwise than with rows or a sentence."""

import codecs
import sqlite3
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.defaults import Defaults, defaults
from batches.manifest import manifest_at
from batches.problems import BadManifest
from batches.prompt import Prompt
from batches.row import Rules
from batches.scratch import scratch_errors
from tasks.errors import Error

MARKS = st.sampled_from(
    [b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE]
)
PIECES = st.sampled_from(
    [
        *(b"custom_id,prompt,video\n", b"a,What?,\n", b'"', b",", b"\t", b"\r", b"\r\n", b"\0"),
        *(b'{"custom_id": "a", "prompt": "x"}\n', b"{", b"[" * 2000, b'"\\ud800"', b"\xff\xfe"),
        *(b"https://x.example/a.mp4\n", b"https://[x/a.mp4\n", b'{"url": "https://[x"}\n'),
        *(b"maxTokens = 9\n", b"{camera}", "é🎬".encode()),
    ]
)
CONTENTS = st.lists(PIECES | st.binary(max_size=20), max_size=12).map(b"".join)
RED = "\x1b]0;x\x07\x1b[31mred"


@given(MARKS, CONTENTS, st.sampled_from(["jsonl", "csv", "tsv", "txt"]))
def test_any_bytes_are_rows_or_a_sentence(
    tmp_path: Path, mark: bytes, content: bytes, ending: str
) -> None:
    path = tmp_path / f"any.{ending}"
    path.write_bytes(mark + content)
    manifest = manifest_at(path, media_roots=())
    told = str(path)
    try:
        checked = manifest.check()
    except BadManifest as exc:
        told = str(exc)
    else:
        assert len(list(manifest.rows())) == checked.rows > 0
    assert str(path) in told
    assert told.replace("\n", "").isprintable()


def test_names_of_columns_reach_a_terminal_without_their_escapes(tmp_path: Path) -> None:
    path = tmp_path / "any.csv"
    path.write_text(f"custom_id,{RED},vid\x1beo\na,,https://x.example/a.mp4\nb,1,\n")
    prompt = Prompt(f"What does {{camera}} see on {{{RED}}}?")
    with pytest.raises(BadManifest) as caught:
        manifest_at(path, Rules(Defaults(prompt=prompt)), media_roots=()).check()
    told = str(caught.value)
    assert r"It has custom_id, 'vid\x1beo'." in told
    assert r"--passenger" in told
    assert r"the prompt has {'\x1b]0;x\x07\x1b[31mred'}" in told
    assert told.replace("\n", "").isprintable()


@given(MARKS, CONTENTS, st.sampled_from(["json", "toml"]))
def test_any_bytes_are_defaults_or_a_sentence(
    tmp_path: Path, mark: bytes, content: bytes, ending: str
) -> None:
    path = tmp_path / f"any.{ending}"
    path.write_bytes(mark + content)
    told = str(path)
    try:
        defaults(path, {})
    except BadManifest as exc:
        told = str(exc)
    assert str(path) in told


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    peaks = []
    for rows in (20, 200):
        lines = (f"clip-{n},https://x.example/{n}.mp4,{'?' * 100_000}\n" for n in range(rows))
        path.write_text("custom_id,video,prompt\n" + "".join(lines))
        tracemalloc.start()
        assert manifest_at(path, media_roots=()).check().rows == rows
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2_000_000


def test_a_disk_without_room_is_told_with_the_fix() -> None:
    match = "make room, or name another folder in SQLITE_TMPDIR"
    with pytest.raises(Error, match=match), scratch_errors():
        raise sqlite3.OperationalError("database or disk is full")
