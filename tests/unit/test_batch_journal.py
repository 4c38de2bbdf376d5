"""The journal of batch ids: what is given out once is given out for ever."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from batches.journal import Journal
from batches.scratch import NoRoom

ROOT = Path(__file__).parents[2]
ASK = "import sys, pathlib; from batches.journal import Journal; "
ASK += "print(Journal(pathlib.Path(sys.argv[1])).batch_id('clips', None))"


def lines(folder: Path) -> list[bytes]:
    return (folder / "batches.jsonl").read_bytes().splitlines()


def test_a_name_has_one_id_across_processes_and_store_losses(tmp_path: Path) -> None:
    first = Journal(tmp_path).batch_id("clips", None)
    assert Journal(tmp_path).batch_id("clips", None) == first
    assert Journal(tmp_path).batch_id("clips", first) == first
    assert len(lines(tmp_path)) == 1


def test_another_name_has_another_id(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.batch_id("clips", None) != journal.batch_id("Clips", None)


def test_the_id_that_the_store_has_wins_and_is_recorded(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.batch_id("clips", None)
    assert journal.batch_id("clips", "batch_of_the_store") == "batch_of_the_store"
    assert Journal(tmp_path).batch_id("clips", None) == "batch_of_the_store"
    assert json.loads(lines(tmp_path)[-1]) == {"name": "clips", "id": "batch_of_the_store"}


@pytest.mark.parametrize(
    "cut",
    [b'{"name": "cl', b'{"name": "clips"}', b"\x00" * 64, b"}", b"\xff\xfe}", b"[]", b'"clips"'],
)
def test_a_line_that_a_crash_cut_is_survived(tmp_path: Path, cut: bytes) -> None:
    first = Journal(tmp_path).batch_id("clips", None)
    with (tmp_path / "batches.jsonl").open("ab") as file:
        file.write(cut)
    assert Journal(tmp_path).batch_id("clips", None) == first
    second = Journal(tmp_path).batch_id("more", None)
    assert lines(tmp_path)[-2] == cut
    assert Journal(tmp_path).batch_id("more", None) == second
    assert Journal(tmp_path).batch_id("clips", None) == first


def test_a_first_line_that_a_crash_cut_was_never_given_out(tmp_path: Path) -> None:
    (tmp_path / "batches.jsonl").write_bytes(b'{"name": "clips", "id": "batch_0')
    drawn = Journal(tmp_path).batch_id("clips", None)
    assert drawn.startswith("batch_")
    assert Journal(tmp_path).batch_id("clips", None) == drawn


def test_processes_that_ask_at_once_are_given_one_id(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", ASK, str(tmp_path)]
    asked = [subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    told = {process.communicate(timeout=30)[0].strip() for process in asked}
    assert told == {Journal(tmp_path).batch_id("clips", None)}
    assert len(lines(tmp_path)) == 1


def test_on_a_full_disk_the_path_and_the_fix_are_told_and_nothing_of_a_line_is_left(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path)
    first = journal.batch_id("clips", None)
    before = (tmp_path / "batches.jsonl").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, hard))  # the line would be cut
    try:
        with pytest.raises(NoRoom, match="with room on its disk, and submit again") as caught:
            journal.batch_id("more", None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(tmp_path / "batches.jsonl") in str(caught.value)
    assert (tmp_path / "batches.jsonl").read_bytes() == before
    assert journal.batch_id("more", None) != first
    assert len(lines(tmp_path)) == 2
