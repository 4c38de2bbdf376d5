"""The table as a file: plain numbers, every character, whole or not at all."""

import fcntl
import json
import os
import pty
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.aside import remove_unlocked
from batches.table_file import Format, Style, write_table
from batches.table_json import json_line

CHECKOUT = Path(__file__).parents[2]


def write(rows: Iterable[Mapping[str, Any]], path: Path) -> int:
    return write_table(rows, dict, path, Style(Format.JSONL))


def test_money_is_a_plain_number() -> None:
    row = {"cost": Decimal("0.00000157"), "large": Decimal("1E+3"), "none": None}
    assert json_line(row) == b'{"cost": 0.00000157, "large": 1000, "none": null}\n'


def test_a_character_outside_ascii_stands_as_itself() -> None:
    assert json_line({"text": "Straße 🎬\u2028"}) == '{"text": "Straße 🎬\u2028"}\n'.encode()


def test_a_lone_surrogate_is_kept_and_changes_nothing_beside_it() -> None:
    row = {"text": "é\ud800", "cost": Decimal("0.00000157"), "\udfff": 1}
    assert json_line(row) == '{"text": "é\\ud800", "cost": 0.00000157, "\\udfff": 1}\n'.encode()
    assert json.loads(json_line(row))["text"] == "é\ud800"


TEXT = st.text(st.characters(codec=None))  # lone surrogates too
VALUE = st.none() | st.booleans() | st.integers() | st.decimals(-1e6, 1e6, places=9) | TEXT


@given(st.dictionaries(TEXT, VALUE | st.lists(VALUE, max_size=3)))
def test_a_row_is_one_line_that_reads_back_equal(row: dict[str, Any]) -> None:
    line = json_line(row)
    assert line.count(b"\n") == 1
    assert json.loads(line, parse_float=Decimal) == json.loads(
        json.dumps(row, default=float), parse_float=Decimal
    )


def test_a_table_is_written_whole_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("the old table")
    assert write(iter([{"n": n} for n in range(3)]), path) == 3
    assert path.read_bytes() == b'{"n": 0}\n{"n": 1}\n{"n": 2}\n'
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.jsonl"]


def breaking(error: BaseException) -> Iterator[dict[str, Any]]:
    yield {"n": 0}
    raise error


@pytest.mark.parametrize("error", [ValueError("away"), KeyboardInterrupt(), OSError(28, "full")])
def test_a_table_that_breaks_off_leaves_the_old_one_and_nothing_else(
    tmp_path: Path, error: BaseException
) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("the old table")
    with pytest.raises(type(error)):
        write(breaking(error), path)
    assert path.read_text() == "the old table"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.jsonl"]


WRITES_FOR_EVER = """
import itertools, sys
from pathlib import Path
from batches.table_file import Format, Style, write_table

def rows():
    print("begun", flush=True)
    yield from itertools.repeat({}, 1)
    sys.stdin.read()

write_table(rows(), dict, Path(sys.argv[1]), Style(Format.JSONL))
"""


def test_what_a_killed_process_left_is_removed_and_what_another_writes_is_not(
    tmp_path: Path,
) -> None:
    path, stranger = tmp_path / "out.jsonl", tmp_path / ".out.jsonl.mine.part"
    stranger.touch()
    argv = [sys.executable, "-c", WRITES_FOR_EVER, str(path)]
    with subprocess.Popen(
        argv, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == b"begun\n"
        part = tmp_path / f".out.jsonl.{other.pid}.part"
        write([{"n": 1}], path)
        assert {*tmp_path.iterdir()} == {path, part, stranger}
        other.kill()
    assert part.exists()
    write([{"n": 2}], path)
    assert {*tmp_path.iterdir()} == {path, stranger}


def test_a_folder_in_its_place_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        write(iter([{"n": 0}]), path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.jsonl"]


def test_an_empty_table_is_an_empty_file(tmp_path: Path) -> None:
    assert write(iter([]), tmp_path / "out.jsonl") == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b""


def test_a_link_to_a_table_stays_one(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    link, target = tmp_path / "out.jsonl", tmp_path / "far" / "table.jsonl"
    link.symlink_to(target)
    for number in (1, 2):  # to nothing yet, and to a table
        write([{"n": number}], link)
        assert link.is_symlink()
        assert target.read_bytes() == b'{"n": %d}\n' % number
    assert [*(tmp_path / "far").iterdir()] == [target]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_a_table_has_the_permissions_of_the_file_that_it_replaces(
    tmp_path: Path, mode: int
) -> None:
    path, seen = tmp_path / "out.jsonl", list[int]()
    path.touch()
    path.chmod(mode)

    def rows() -> Iterator[dict[str, Any]]:
        seen.extend(permissions(part) for part in tmp_path.glob(".out.jsonl.*.part"))
        yield {"n": 1}

    write(rows(), path)
    assert path.read_bytes() == b'{"n": 1}\n'
    assert (permissions(path), seen) == (mode, [0o600])


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("name", ["pipe.jsonl", "link.jsonl"])
def test_a_pipe_gets_the_table_and_stays_one(tmp_path: Path, name: str) -> None:
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    (tmp_path / "link.jsonl").symlink_to(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert write([{"n": 1}, {"n": 2}], tmp_path / name) == 2
    assert os.read(reader, 100) == b'{"n": 1}\n{"n": 2}\n'
    os.close(reader)
    assert pipe.is_fifo()
    assert {entry.name for entry in tmp_path.iterdir()} == {"pipe.jsonl", "link.jsonl"}


def test_a_terminal_gets_the_table_and_stays_one(tmp_path: Path) -> None:
    outer, inner = pty.openpty()
    link = tmp_path / "out.jsonl"
    link.symlink_to(os.ttyname(inner))
    write([{"n": 1}], link)
    assert os.read(outer, 100) == b'{"n": 1}\r\n'
    assert link.is_char_device()
    os.close(inner)
    os.close(outer)


def test_a_socket_in_its_place_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the names of sockets are short
    path = Path("out.jsonl")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        with pytest.raises(OSError, match="no regular file"):
            write(iter([{"n": 0}]), path)
        assert path.is_socket()


def test_parquet_is_written_to_no_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "out.parquet"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="Parquet needs a regular file"):
        write_table(iter([]), dict, pipe, Style(Format.PARQUET))
    assert pipe.is_fifo()


def test_a_file_that_another_takes_for_a_left_one_before_it_is_locked_is_begun_again(
    tmp_path: Path,
) -> None:
    path, part = tmp_path / "out.jsonl", tmp_path / f".out.jsonl.{os.getpid()}.part"

    def rows() -> Iterator[dict[str, Any]]:
        remove_unlocked(part)  # as whoever writes the same table at the same time does
        yield {"n": 1}

    with ThreadPoolExecutor() as pool:
        with part.open("wb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            writing = pool.submit(write, rows(), path)
            time.sleep(0.3)  # until it waits for the lock; if it does not yet, all is well anyhow
            part.unlink()
        assert writing.result(20) == 1
    assert path.read_bytes() == b'{"n": 1}\n'
