"""`reelqueue run`: all in one, here without PUBLIC_URL and with a store of the user's."""

import json
import os
import subprocess

import pytest
from simulator_driver import Simulator, wait_until
from stack_driver import COMMAND, Place, assert_true, by_uuid, real
from store_driver import StoreServer
from terminal_driver import Terminal

ROWS = (
    {"prompt": "plain", "video": "https://example.com/a.mp4", "mine": "kept"},
    {"prompt": "three alike [[sim: identical]]", "numberResults": 3},
    {"prompt": "two [[sim: index]]", "numberResults": 2, "seed": 7},
    {"prompt": "late [[sim: latency=5]]"},
)


@pytest.fixture
def alone(place: Place, provider: Simulator, valkey: StoreServer, namespace: str) -> Place:
    """Give a place that polls only, and whose store others use too."""
    place.env |= real(provider, REELQUEUE_POLL_MAX="1")
    place.env |= {"REDIS_URL": valkey.url, "REELQUEUE_NAMESPACE": namespace}
    return place


def test_an_interrupted_run_goes_on_with_the_same_command_and_polling_alone_finishes_it(
    alone: Place, provider: Simulator
) -> None:
    manifest = alone.manifest("films", *ROWS)
    with Terminal(alone, "run", manifest, "-o", "out.jsonl") as first:
        wait_until(lambda: "1 processing, 3 ok" in first.seen(), 40)
        first.type("\x03")
        wait_until(first.ended)
        assert first.process.returncode == 130
        assert "The same command goes on where it was." in first.seen()
        assert "INCOMPLETE: 1 of 4 jobs are open" in first.seen()
    assert alone.processes() == {}
    again = alone.run("run", manifest, "-o", "out.jsonl")
    assert again.returncode == 0, again.stderr
    assert "0 jobs queued, 4 known before" in again.stderr
    assert "films completed: 4 ok" in again.stderr
    assert_polled_once(alone, provider)


def test_an_interrupted_run_says_where_it_could_write_no_table(
    alone: Place, provider: Simulator
) -> None:
    (alone.cwd / "films").mkdir()
    (alone.cwd / "films" / "1.mp4").write_bytes(b"a film that is never ready")
    provider.change(media_delay=600)
    with Terminal(alone, "run", "films", "--prompt", "What?", "-o", "none.jsonl") as running:
        wait_until(lambda: any(one["size"] == 26 for one in provider.truth("/media")["media"]), 40)
        running.type("\x03")
        wait_until(running.ended)
        provider.change(media_delay=0)
        assert running.process.returncode == 130
        assert "No table was written to none.jsonl." in running.seen()
    assert alone.processes() == {}
    assert not (alone.cwd / "none.jsonl").exists()


def assert_polled_once(place: Place, provider: Simulator) -> None:
    """See that the table is whole and true, and that no callback was asked for."""
    for name in ("films.jsonl", "out.jsonl"):
        assert (place.cwd / name).exists()
    lines = (place.cwd / "out.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["custom_id"] for row in rows] == [f"row-{i}" for i in (0, 1, 1, 1, 2, 2, 3)]
    assert rows[0]["mine"] == "kept"
    assert_true(rows, provider)
    truth = by_uuid(provider)
    assert not any(truth[row["task_uuid"]]["webhook_statuses"] for row in rows)


@pytest.mark.parametrize("output", ["films.jsonl", "link.jsonl"])
def test_a_run_that_would_write_its_table_over_its_manifest_starts_nothing(
    place: Place, output: str
) -> None:
    manifest = place.cwd / place.manifest("films", *ROWS)
    (place.cwd / "link.jsonl").symlink_to(manifest)
    before = manifest.read_bytes()
    for file in ("films.jsonl", "-"):
        with manifest.open("rb") as piped:
            done = subprocess.run(
                [COMMAND, "run", file, "--name", "films", "-o", output],
                env=place.env,
                cwd=place.cwd,
                stdin=piped,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        assert done.returncode == 1
        assert f"{output}: it is the manifest itself; name another file" in done.stderr
        assert manifest.read_bytes() == before
    assert not place.data.exists()


def test_a_run_whose_table_would_wait_for_a_reader_starts_nothing(place: Place) -> None:
    os.mkfifo(place.cwd / "pipe.jsonl")
    done = place.run("run", place.manifest("films", *ROWS), "-o", "pipe.jsonl")
    assert done.returncode == 1
    assert "cannot write pipe.jsonl: it is no regular file" in done.stderr
    assert (place.cwd / "pipe.jsonl").is_fifo()
    assert not place.data.exists()
