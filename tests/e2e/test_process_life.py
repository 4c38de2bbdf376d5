"""What runs when, what is left when it ends, and what goes on after a death."""

import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from simulator_driver import Simulator, wait_until
from stack_driver import Place, Up, assert_true, real, store_of, up

from tasks import reading
from tasks.token import new_keys

CHILDREN = ("store", "webhooks", "worker", "flower")
ROWS = [{"prompt": f"number {n}", "video": "https://example.com/a.mp4"} for n in range(16)]


@pytest.fixture
def placed(place: Place, provider: Simulator) -> Iterator[Place]:
    """Give a place whose `up` uses the simulator as the real service, by both roads."""
    place.env |= real(provider, REELQUEUE_POLL_FIRST="1", REELQUEUE_POLL_MAX="1")
    place.env["REELQUEUE_WINDOW_MAX"] = str(len(ROWS) // 2)
    place.env["PUBLIC_URL"] = f"http://127.0.0.1:{place.ports[0]}"
    yield place
    assert place.processes() == {}


def submit_slow(place: Place, seconds: float) -> None:
    """Submit a batch whose first half takes so long; on return a part of it is at the provider.

    The rest waits for free slots, so that a death now finds no request on its way: what becomes of
    one is decided only when its lease has run out.
    """
    slow, half = f" [[sim: latency={seconds}]]", len(ROWS) // 2
    rows = [{**row, "prompt": row["prompt"] + slow * (n < half)} for n, row in enumerate(ROWS)]
    done = place.run("submit", place.manifest("slow", *rows))
    assert done.returncode == 0, done.stderr
    (place.cwd / "slow.jsonl").unlink()
    wait_until(lambda: '"submit"' in place.log("worker"))


def assert_whole(place: Place, provider: Simulator) -> None:
    """Wait for the batch's end and hold it against what really happened."""
    assert place.run("watch", "slow", timeout=90).returncode == 0
    rows = place.results("slow")
    assert len(rows) == len(ROWS)
    assert_true(rows, provider)


def test_a_killed_up_takes_all_with_it_the_next_goes_on_buys_nothing_twice_and_leaves_nothing(
    placed: Place, provider: Simulator
) -> None:
    before = provider.totals()["purchases"]
    with up(placed) as first:
        submit_slow(placed, 8)
        assert 0 < provider.totals()["purchases"] - before < len(ROWS)
        first.process.kill()
        first.process.wait()
        wait_until(lambda: placed.processes() == {})
    with up(placed) as second:
        assert_whole(placed, provider)
        assert second.stop(signal.SIGTERM, within=10) == 0
    assert placed.strays() == []
    assert not (placed.data / "children.json").exists()
    assert provider.totals()["purchases"] - before == len(ROWS)


def test_killed_children_are_restarted_and_the_batch_goes_on_but_one_that_keeps_dying_ends_all(
    placed: Place, provider: Simulator
) -> None:
    with up(placed) as running, socket.socket() as squatter:
        submit_slow(placed, 1)
        kill_all(running)
        assert_whole(placed, provider)
        os.kill(running.children["store"], signal.SIGKILL)
        port = int((placed.data / "secrets" / "redis_url").read_text().split(":")[-1][:-2])
        wait_until(lambda: takes(squatter, port))
        assert running.process.wait(60) == 1
        last = running.said.split("reelqueue: ")[-1]
    assert last.startswith("store ended with status 1, its death number 5 in a row")
    assert "Address already in use" in last
    assert "All logs: " in last
    assert placed.strays() == []


def kill_all(running: Up) -> None:
    """Kill every child with -9; on return each has a successor."""
    old = running.children
    for name in CHILDREN:
        os.kill(old[name], signal.SIGKILL)
    wait_until(lambda: set(running.children) == set(CHILDREN) and not running.knows(old))
    assert running.said.count("was killed by signal 9; starts again in 0.5 s") == len(CHILDREN)


def takes(squatter: socket.socket, port: int) -> bool:
    """Whether the port of a dead child could be taken."""
    try:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    "edit", ["REELQUEUE_MAX_ATTEMPTS=many", f"REELQUEUE_SECRETS={new_keys()}"], ids=["slip", "keys"]
)
def test_a_restarted_worker_goes_on_with_the_settings_that_up_started_with(
    edit: str, placed: Place, tmp_path: Path
) -> None:
    env = tmp_path / ".env"
    # A poll would finish what the door refuses.
    at_start = ["REELQUEUE_POLL_FIRST=3600", f"REELQUEUE_SECRETS={new_keys()}"]
    env.write_text("\n".join(at_start))
    del placed.env["REELQUEUE_POLL_FIRST"]
    placed.env["REELQUEUE_ENV_FILE"] = str(env)
    with up(placed) as running:
        env.write_text("\n".join([*at_start, edit]))
        old = running.children
        os.kill(old["worker"], signal.SIGKILL)
        wait_until(
            lambda: set(running.children) == set(CHILDREN) and not knows_worker(running, old)
        )
        manifest, unread = placed.manifest("after", *ROWS[:2]), {"REELQUEUE_ENV_FILE": os.devnull}
        done = placed.run("submit", manifest, "--watch", timeout=60, **unread)
        assert done.returncode == 0, done.stderr
        assert running.said.count("starts again") == 1


def knows_worker(running: Up, old: Mapping[str, int]) -> bool:
    """Whether the worker of then is recorded as running."""
    return running.children.get("worker") == old["worker"]


def test_a_door_that_fails_is_not_sent_for_at_once_again(placed: Place) -> None:
    def failures() -> int:
        return placed.log("worker").count("Task reelqueue.submit")

    with up(placed):
        submit_slow(placed, 5)
        store = store_of(placed)
        (batch,) = reading.batches(store)
        store.client.hset(store.keys("batch", batch.id), "priority", "none")  # a claim of it fails
        wait_until(lambda: failures() > 0, 30)
        begun = time.monotonic()
        wait_until(lambda: failures() > 6, 30)
        assert time.monotonic() - begun > 1, "it fails dozens of times a second"
