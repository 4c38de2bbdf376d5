"""Flower listens where events go, or is ended; a fail-over closes no connection."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from relay import Relay
from simulator_driver import ROOT, wait_until
from store_driver import StoreServer, free_port, valkey_binary

from tasks.store import Store
from worker.listeners import is_heard


@contextmanager
def flower(url: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run Flower for the length of a block."""
    own = {
        "REDIS_URL": url,
        "REELQUEUE_DATA_DIR": str(folder / "data"),
        "REELQUEUE_FLOWER_PORT": str(free_port()),
    }
    with (folder / "flower.log").open("ab") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "worker.flower"], cwd=ROOT, env=os.environ | own, stderr=log
        )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def hears(server: StoreServer) -> bool:
    """Whether somebody listens for events at this very server."""
    store = Store.open(server.url, "reelqueue")
    try:
        return is_heard(store)
    finally:
        store.client.close()


def test_flower_that_listens_at_a_demoted_store_ends_and_the_next_listens_where_events_go(
    tmp_path: Path,
) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    now = ("--shutdown-timeout", "0")  # no wait for its replica
    with (
        StoreServer(valkey_binary(), tmp_path / "old") as old,
        StoreServer(valkey_binary(), tmp_path / "new", *now) as new,
        Relay(old.port) as relay,
        redis.Redis(port=old.port) as demoted,
    ):
        url = f"redis://127.0.0.1:{relay.port}/0"
        with flower(url, tmp_path) as first:
            wait_until(lambda: hears(old), 20)
            relay.leads_to = new.port
            demoted.replicaof("127.0.0.1", str(new.port))
            assert first.wait(60) is not None
        assert b"flower.deaf" in (tmp_path / "flower.log").read_bytes()
        with flower(url, tmp_path):
            wait_until(lambda: hears(new), 20)


def test_flower_outlives_a_restart_of_the_store(tmp_path: Path) -> None:
    with StoreServer(valkey_binary(), tmp_path) as server, flower(server.url, tmp_path) as running:
        wait_until(lambda: hears(server), 20)
        server.stop()
        server.start()
        wait_until(lambda: hears(server), 20)
        assert running.poll() is None
    assert b"flower.deaf" not in (tmp_path / "flower.log").read_bytes()
