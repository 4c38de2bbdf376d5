"""The command on a store that takes nothing new: what frees it and what reads it works."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from core_driver import SECRET, bring_to, queue, record, row
from store_driver import StoreServer, redis_binary, valkey_binary

from console.main import main
from tasks import quarantine
from tasks.job import State
from tasks.steps import receive
from tasks.store import Store

Run = Callable[..., Result]


@pytest.fixture(
    params=[
        "valkey",
        pytest.param("redis", marks=pytest.mark.needs("redis-server", "redis-server")),
    ]
)
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreServer]:
    """Give a store of this test alone, to be filled."""
    binary = valkey_binary() if request.param == "valkey" else redis_binary()
    with StoreServer(binary, tmp_path) as server:
        yield server


@pytest.fixture
def store(own: StoreServer) -> Iterator[Store]:
    opened = Store.open(own.url, "full")
    opened.marks.check("simulated", 8)
    yield opened
    opened.client.close()


@pytest.fixture
def run(own: StoreServer, tmp_path: Path) -> Run:
    """Run a verb within this process; its input is no terminal."""
    env = {
        "REDIS_URL": own.url,
        "REELQUEUE_NAMESPACE": "full",
        "REELQUEUE_DATA_DIR": str(tmp_path),
        "REELQUEUE_INSTALLATION_SECRET": SECRET.decode(),
    }

    def run_one(*args: str) -> Result:
        done = CliRunner(env=env).invoke(main, args)
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done

    return run_one


def fill(store: Store) -> None:
    """Let the store take nothing that needs memory."""
    store.client.config_set("maxmemory-policy", "noeviction")
    store.client.config_set("maxmemory", 1)


def test_a_full_store_is_read_and_freed_by_the_command(store: Store, run: Run) -> None:
    (over,) = queue(store, row(numberResults=2), name="over")
    bring_to(store, over, State.COMPLETED)
    store.client.delete(store.keys("ends"), store.keys("shown"))  # they are settled
    (going,) = queue(store, row(), name="going")
    bring_to(store, going, State.PROCESSING)
    assert receive(store, going, b"no JSON") == "unreadable"
    fill(store)

    listed, status = run("list"), run("status", "going")
    assert (listed.exit_code, status.exit_code) == (0, 0)
    assert {"over", "going"} <= set(listed.stdout.split())
    assert [over in line for line in run("results", "over").stdout.splitlines()] == [True, True]
    assert run("quarantine").stdout.startswith(going)
    for verb in (
        ("quarantine", "--drop", "--all", "--yes"),
        ("cancel", "going", "--yes"),
        ("prune", "over", "--yes"),
    ):
        done = run(*verb)
        assert done.exit_code == 0, done.stderr

    assert list(quarantine.kept(store)) == []
    assert record(store, going).state is State.CANCELLED
    assert [line for line in run("list").stdout.splitlines() if "over" in line] == []


def test_what_would_fill_a_full_store_further_says_what_to_do(
    store: Store, run: Run, tmp_path: Path
) -> None:
    fill(store)
    manifest = tmp_path / "more.jsonl"
    manifest.write_text('{"video": "https://example.com/1.mp4", "prompt": "What?"}\n', "utf-8")
    for verb in (("submit", str(manifest)), ("up",)):
        done = run(*verb)
        assert done.exit_code == 1
        assert "the store cannot write: " in done.stderr
        assert "If it is full, make room with `reelqueue prune`" in done.stderr
    assert "FAIL  the store cannot write: " in run("doctor").stdout
