"""The index of uploads: what was uploaded is known for ever, whoever asks and however it ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from simulator_driver import wait_until

from batches.media_index import Entry, MediaIndex
from tasks.errors import Error

ROOT = Path(__file__).parents[2]
FINISH = """
import pathlib, sys
from batches.media_index import MediaIndex
index = MediaIndex(pathlib.Path(sys.argv[1]))
for n in range(int(sys.argv[3])):
    index.begin("provider", f"{sys.argv[2]}-{n}", "task", 1)
    index.finish("provider", f"{sys.argv[2]}-{n}", f"medium-{n}")
    print(n, flush=True)
"""


def writer(folder: Path, name: str, times: int) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", FINISH, str(folder), name, str(times)]
    return subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def an_old_file(folder: Path, content: bytes = b"frames") -> Path:
    """Write a file whose times are far enough back to tell a change."""
    path = folder / "clip.mp4"
    path.write_bytes(content)
    written = path.stat().st_ctime_ns
    wait_until(lambda: _clock(folder) > written + 60_000_000)
    return path


def _clock(folder: Path) -> int:
    (folder / "clock").write_bytes(b"")
    return (folder / "clock").stat().st_ctime_ns


def test_an_upload_is_known_by_its_content_at_its_own_provider(tmp_path: Path) -> None:
    index = MediaIndex(tmp_path)
    index.begin("ours", "abc", "task", 5)
    assert index.find("ours", "abc", after=0) == Entry("task", "")
    index.finish("ours", "abc", "medium")
    index.close()
    again = MediaIndex(tmp_path)
    assert again.find("ours", "abc", after=0) == Entry("task", "medium")
    assert again.find("theirs", "abc", after=0) is None
    assert again.find("ours", "abd", after=0) is None
    again.close()


def test_an_upload_from_before_its_medium_was_lost_is_none(tmp_path: Path) -> None:
    index = MediaIndex(tmp_path)
    index.begin("ours", "abc", "task", 5)
    index.finish("ours", "abc", "medium")
    assert index.find("ours", "abc", after=5) is None
    index.begin("ours", "abc", "task-2", 6)
    assert index.find("ours", "abc", after=5) == Entry("task-2", "")
    index.close()


def test_two_commands_at_once_lose_nothing(tmp_path: Path) -> None:
    writers = [writer(tmp_path, name, 50) for name in ("a", "b", "c")]
    told = [process.communicate(timeout=30)[0] for process in writers]
    assert [text.split()[-1] for text in told] == ["49"] * 3
    index = MediaIndex(tmp_path)
    kept = [index.find("provider", f"{name}-{n}", 0) for name in "abc" for n in range(50)]
    assert all(kept)
    index.close()


def test_a_command_that_is_killed_leaves_what_it_finished(tmp_path: Path) -> None:
    process = writer(tmp_path, "a", 1_000_000)
    assert process.stdout
    last = [process.stdout.readline() for _ in range(20)][-1]
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    index = MediaIndex(tmp_path)
    found = index.find("provider", f"a-{int(last)}", 0)
    assert found
    assert found.media_uuid == f"medium-{int(last)}"
    index.begin("provider", "after", "task", 1)
    index.close()


@pytest.mark.parametrize("damage", [b"\x00" * 5000, b"no database" * 99])
def test_a_damaged_index_says_what_to_do(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "media.sqlite").write_bytes(damage)
    with pytest.raises(Error, match=r"media\.sqlite is damaged .* delete it"):
        MediaIndex(tmp_path)


def test_an_index_that_was_cut_to_nothing_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "media.sqlite").write_bytes(b"")
    index = MediaIndex(tmp_path)
    assert index.find("ours", "abc", 0) is None
    index.close()


def test_the_index_is_for_its_owner_alone(tmp_path: Path) -> None:
    MediaIndex(tmp_path).close()
    assert (tmp_path / "media.sqlite").stat().st_mode & 0o077 == 0


def test_a_hash_is_remembered_until_the_file_changes(tmp_path: Path) -> None:
    index, path = MediaIndex(tmp_path), an_old_file(tmp_path)
    index.note_hash(path, path.stat(), "abc")
    assert index.hash_of(path, path.stat()) == "abc"
    before = path.stat()
    path.write_bytes(b"other!")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # its change can be seen even so
    assert path.stat().st_size == before.st_size
    assert index.hash_of(path, path.stat()) is None
    index.close()


def test_a_file_that_is_being_written_has_no_remembered_hash(tmp_path: Path) -> None:
    index, path = MediaIndex(tmp_path), tmp_path / "clip.mp4"
    path.write_bytes(b"frames")
    index.note_hash(path, path.stat(), "abc")
    assert index.hash_of(path, path.stat()) is None
    index.close()


def test_a_name_that_is_no_text_is_remembered_too(tmp_path: Path) -> None:
    index, path = MediaIndex(tmp_path), an_old_file(tmp_path)
    odd = tmp_path / os.fsdecode(b"caf\xe9 \xf0\x9f\x8e\xac.mp4")
    path.rename(odd)
    settled = odd.stat().st_ctime_ns
    wait_until(lambda: _clock(tmp_path) > settled + 60_000_000)
    index.note_hash(odd, odd.stat(), "abc")
    assert index.hash_of(odd, odd.stat()) == "abc"
    index.close()


def test_an_index_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    (tmp_path / "media.sqlite").mkdir()
    with pytest.raises(Error, match=r"media\.sqlite cannot be used: Is a directory"):
        MediaIndex(tmp_path)
