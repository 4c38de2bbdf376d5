"""Local files are read where they were seen, as they were seen, or not at all."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest

from batches.contents import Unusable, digest, opened, pieces
from tasks.wire.media import PIECE, Upload

DESCRIPTORS = Path("/dev/fd")
LONG = os.urandom(PIECE * 2 + 7)


def no_more() -> None:
    """Go on."""


def told(_size: int) -> None:
    """Go on."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path.resolve()


@pytest.fixture
def clip(folder: Path) -> Path:
    path = folder / "clip.mp4"
    path.write_bytes(LONG)
    return path


def read(stream: IO[bytes], content: bytes) -> bytes:
    expected = hashlib.sha256(content).hexdigest()
    return b"".join(pieces(stream, len(content), expected, told))


def test_a_file_is_hashed_and_read_as_it_is(clip: Path) -> None:
    with opened(clip, len(LONG)) as stream:
        assert digest(stream, no_more) == hashlib.sha256(LONG).hexdigest()
        assert read(stream, LONG) == LONG
        assert read(stream, LONG) == LONG


@pytest.mark.parametrize("change", ["shorter", "longer", "other"])
def test_a_file_that_changes_while_it_is_sent_never_becomes_a_whole_request(
    clip: Path, change: str
) -> None:
    changed = {"shorter": LONG[:-9], "longer": LONG + b"more", "other": LONG[:-9] + b"123456789"}
    with opened(clip, len(LONG)) as stream:
        expected = digest(stream, no_more)
        clip.write_bytes(changed[change])
        upload = Upload("task", len(LONG), lambda: pieces(stream, len(LONG), expected, told))
        sent: list[bytes] = []
        with pytest.raises(Unusable, match="changed while it was uploaded"):
            sent.extend(upload)
        assert sum(map(len, sent)) < len(upload)


def test_a_request_has_the_length_that_it_promises(clip: Path) -> None:
    for size in (1, 2, 3, 4, PIECE - 1, PIECE, PIECE + 1, len(LONG)):
        clip.write_bytes(LONG[:size])
        with opened(clip, size) as stream:
            expected = hashlib.sha256(LONG[:size]).hexdigest()
            upload = Upload("task", size, lambda: pieces(stream, size, expected, told))  # noqa: B023  used at once
            assert sum(map(len, upload)) == len(upload)


@pytest.fixture(params=["gone", "grown", "emptied", "a folder", "a pipe", "locked away"])
def spoilt(request: pytest.FixtureRequest, clip: Path) -> Iterator[tuple[Path, str]]:
    clip.unlink()
    match request.param:
        case "gone":
            yield clip, "cannot be read: No such file"
        case "grown":
            clip.write_bytes(LONG + b"more")
            yield clip, rf"{len(LONG)} bytes then, {len(LONG) + 4} now"
        case "emptied":
            clip.write_bytes(b"")
            yield clip, "0 now"
        case "a folder":
            clip.mkdir()
            yield clip, "is not a regular file"
        case "a pipe":
            os.mkfifo(clip)
            yield clip, "is not a regular file"
        case _:
            clip.mkdir()
            yield clip / "inner.mp4", "cannot be read: No such file"


def test_a_file_that_is_no_longer_what_was_seen_is_told(spoilt: tuple[Path, str]) -> None:
    path, problem = spoilt
    with pytest.raises(Unusable, match=problem), opened(path, len(LONG)):
        pass


def test_an_empty_file_is_told(folder: Path) -> None:
    (folder / "none.mp4").write_bytes(b"")
    with pytest.raises(Unusable, match="is empty"), opened(folder / "none.mp4", 0):
        pass


def test_a_file_that_was_replaced_by_a_link_is_not_read(folder: Path, clip: Path) -> None:
    secret = folder / "secret"
    secret.write_bytes(LONG)
    clip.unlink()
    clip.symlink_to(secret)
    with pytest.raises(Unusable, match="symbolic link"), opened(clip, len(LONG)):
        pass


def test_a_folder_that_was_replaced_by_a_link_is_not_entered(folder: Path) -> None:
    (folder / "ours").mkdir()
    (folder / "theirs").mkdir()
    (folder / "theirs" / "clip.mp4").write_bytes(LONG)
    (folder / "ours").rmdir()
    (folder / "ours").symlink_to("theirs")
    path = folder / "ours" / "clip.mp4"
    with pytest.raises(Unusable, match="symbolic link"), opened(path, len(LONG)):
        pass


def descriptors_of(*paths: Path) -> list[int]:
    """Those of this process that hold one of `paths`; what others open and close does not count."""
    wanted = {(path.stat().st_dev, path.stat().st_ino) for path in paths}
    held = []
    for name in DESCRIPTORS.iterdir():
        with suppress(OSError):  # the listing's own, closed by now
            status = os.fstat(int(name.name))
            if (status.st_dev, status.st_ino) in wanted:
                held.append(int(name.name))
    return held


def test_opening_leaves_no_descriptor_behind(clip: Path) -> None:
    with opened(clip, len(LONG)):
        assert len(descriptors_of(clip)) == 1
    with pytest.raises(Unusable), opened(clip.with_name("gone"), 1):
        pass
    assert descriptors_of(clip, *clip.parents) == []
