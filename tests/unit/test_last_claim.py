"""The record of a worker's last claim, for the worker that follows one which was killed."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Thread

import pytest

from tasks import last_claim
from tasks.last_claim import LENGTH, LastClaim

Of = Callable[..., LastClaim]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return where the records are."""
    return tmp_path / f"reelqueue-{os.getuid()}"


@pytest.fixture
def of_worker(tmp_path: Path) -> Of:
    return partial(last_claim.of_worker, created="1", memory=tmp_path)


def ended(worker: LastClaim) -> None:
    """Let it claim and end, as where it is killed: the system closes what it had."""
    worker.claimed("7.1")
    worker.close()


def batched_in_threes(most: int) -> list[list[str]]:
    return [[f"{first}.{n}" for n in range(3)] for first in range(1, most, 3)]


def mark_on(place: Path) -> str:
    (file,) = place.iterdir()
    return file.read_text().split("\n")[1]


def test_the_next_worker_knows_the_last_claim_of_the_one_before(of_worker: Of, place: Path) -> None:
    first = of_worker("first", Path("data"), "ns")
    assert (first.former, first.mark) == ("", "")
    first.claimed("7.1")
    first.claimed("12.1")
    first.close()
    following = of_worker("next", Path("data"), "ns")
    assert (following.former, following.mark) == ("first", "12.1")
    assert [file.stat().st_size for file in place.iterdir()] == [LENGTH]
    assert place.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("data", "namespace"), [("data", "other"), ("elsewhere", "ns")])
def test_another_store_has_a_record_of_its_own(of_worker: Of, data: str, namespace: str) -> None:
    ended(of_worker("first", Path("data"), "ns"))
    assert of_worker("next", Path(data), namespace).mark == ""


def test_beside_other_workers_a_worker_knows_nothing_until_it_claims_alone_again(
    of_worker: Of, place: Path
) -> None:
    own = of_worker("own", Path("data"), "ns")
    own.claimed("7.1")
    own.hear(["own", "other"])
    assert own.mark == mark_on(place) == ""
    own.claimed("9.1")
    assert own.mark == mark_on(place) == ""
    own.hear(["own"])
    assert own.mark == "", "the other may have claimed since"
    own.claimed("12.1")
    assert own.mark == mark_on(place) == "12.1"


def test_the_worker_before_it_is_no_other_one(of_worker: Of) -> None:
    ended(of_worker("first", Path("data"), "ns"))
    following = of_worker("next", Path("data"), "ns")
    following.hear(["first", "next"])
    assert following.mark == "7.1"


def test_a_worker_that_lives_is_none_before_another_of_the_same_folder(of_worker: Of) -> None:
    first = of_worker("first", Path("data"), "ns")
    first.claimed("7.1")
    second = of_worker("second", Path("data"), "ns")
    assert (second.former, second.mark) == ("", "")
    second.hear(["first", "second"])
    second.claimed("9.1")
    assert second.mark == "", "the first may have claimed since"
    first.close()
    second.close()
    third = of_worker("third", Path("data"), "ns")
    assert third.mark == "", "the second may have claimed since"
    ended(third)
    assert of_worker("fourth", Path("data"), "ns").mark == "7.1"


def test_a_folder_has_one_record_by_whatever_name_it_is_called(
    of_worker: Of, tmp_path: Path
) -> None:
    (tmp_path / "other name").symlink_to(tmp_path)
    ended(of_worker("first", tmp_path, "ns"))
    assert of_worker("next", tmp_path / "other name", "ns").mark == "7.1"


def test_of_claims_that_doors_make_at_once_the_last_one_stays(of_worker: Of, place: Path) -> None:
    own = of_worker("own", Path("data"), "ns")
    for marks in batched_in_threes(900):
        doors = [Thread(target=own.claimed, args=(mark,)) for mark in marks]
        for door in doors:
            door.start()
        for door in doors:
            door.join()
        assert mark_on(place) == own.mark == marks[-1]


def test_a_record_that_tells_nothing_is_removed(of_worker: Of, place: Path) -> None:
    first = of_worker("first", Path("data"), "ns")
    other = of_worker("other", Path("elsewhere"), "ns")
    first.close()
    assert len(list(place.iterdir())) == 1
    other.close()
    assert not place.exists()


def test_of_another_store_in_the_same_folder_a_record_tells_nothing(of_worker: Of) -> None:
    ended(of_worker("first", Path("data"), "ns", created="1"))
    following = of_worker("next", Path("data"), "ns", created="2")
    assert (following.former, following.mark) == ("", "")
    following.claimed("3.1")
    assert following.mark == "3.1", "the mark of the store before is higher"


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"\xff\x00" * 40,
        b"first",
        b"first\n",
        b"first\n7\n1\n",
        b"first\n-7.1\n1\n",
        b"first\n7.1a\n1\n",
    ],
)
def test_a_broken_record_tells_nothing(of_worker: Of, place: Path, written: bytes) -> None:
    ended(of_worker("first", Path("data"), "ns"))
    (file,) = place.iterdir()
    file.write_bytes(written)
    assert of_worker("next", Path("data"), "ns").mark == ""


def test_without_a_safe_folder_a_worker_knows_its_own_claims(
    of_worker: Of, place: Path, tmp_path: Path
) -> None:
    (tmp_path / "another's").mkdir()
    place.symlink_to(tmp_path / "another's")
    own = of_worker("own", Path("data"), "ns")
    own.claimed("7.1")
    assert own.mark == "7.1"
    assert list((tmp_path / "another's").iterdir()) == []
    assert of_worker("next", Path("data"), "ns").mark == ""
