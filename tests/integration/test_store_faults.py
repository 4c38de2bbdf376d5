"""The store forgets its scripts, is restarted, hangs, is full: nothing is written twice."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from core_driver import audit, bring_to, contents, queue, record, resize, row, success, take
from relay import Relay
from simulator_driver import ROOT, wait_until
from store_driver import StoreServer, redis_binary, valkey_binary

from tasks import verbs
from tasks.connection import connect
from tasks.errors import StoreAway
from tasks.job import State
from tasks.store import Store


@pytest.fixture(
    params=[
        "valkey",
        pytest.param("redis", marks=pytest.mark.needs("redis-server", "redis-server")),
    ]
)
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreServer]:
    """Give a store of this test alone, to be ill-treated."""
    binary = valkey_binary() if request.param == "valkey" else redis_binary()
    with StoreServer(binary, tmp_path) as server:
        yield server


def opened(server: StoreServer, timeout: float = 5.0) -> Store:
    store = Store.open(server.url, "faults", timeout)
    store.marks.check("simulated", 8)
    return store


def test_scripts_that_the_store_forgot_are_loaded_again_each_run_once(store: Store) -> None:
    jobs = queue(store, row(), row())
    token, _ = take(store)
    store.client.function_flush()
    with store.moves() as moves:
        for job in jobs:
            moves.acknowledge(job, token, 60, "")
        moves.refuse(jobs[0], token, 0, "", "")  # stale by then: order is kept among the forgotten
    assert [record(store, job).state for job in jobs] == [State.PROCESSING] * 2
    audit(store, jobs)


def test_a_killed_store_comes_back_with_every_record(own: StoreServer) -> None:
    store = opened(own)
    (job,) = queue(store, row())
    bring_to(store, job, State.PROCESSING)
    before = contents(store)
    own.stop(signal.SIGKILL)
    with pytest.raises(StoreAway):
        store.deliver(job, [success(job)])
    own.start()
    assert contents(store) == before
    assert store.deliver(job, [success(job)]) == "stored"
    audit(store, [job])
    store.client.close()


def test_a_store_that_hangs_is_away_in_time_and_writes_once_when_it_wakes(
    own: StoreServer,
) -> None:
    store, other = opened(own, timeout=0.3), opened(own)
    take(store)  # its scripts are known there
    jobs = queue(other, row(), row())
    own.send(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(StoreAway):
        take(store)
    assert time.monotonic() - began < 4  # by default it would be five
    own.send(signal.SIGCONT)
    wait_until(lambda: other.window()[1] == 2)
    assert [record(other, job).token for job in jobs] == [1, 1]
    audit(other, jobs)
    for one in (store, other):
        one.client.close()


def test_a_plain_command_is_given_up_in_time_and_sent_once(own: StoreServer) -> None:
    store, other = opened(own, timeout=0.3), opened(own)
    store.client.ping()
    own.send(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(redis.TimeoutError):
        store.client.rpush("list", "once")
    assert time.monotonic() - began < 4  # by default it would be five
    own.send(signal.SIGCONT)
    wait_until(lambda: other.client.llen("list"))
    assert other.client.llen("list") == 1
    for one in (store, other):
        one.client.close()


def test_a_full_store_is_away_and_nothing_is_half_written(own: StoreServer) -> None:
    store = opened(own)
    (job,) = queue(store, row())
    bring_to(store, job, State.PROCESSING)
    before = contents(store)
    store.client.config_set("maxmemory-policy", "noeviction")
    store.client.config_set("maxmemory", 1)
    with pytest.raises(StoreAway, match="cannot write"):
        store.deliver(job, [success(job)])
    with pytest.raises(StoreAway, match="cannot write"):
        store.probe()
    with pytest.raises(StoreAway, match="cannot write"):
        store.limits.takes_fewer("tasks", 3)
    store.client.config_set("maxmemory", 0)
    assert contents(store) == before
    assert store.deliver(job, [success(job)]) == "stored"
    audit(store, [job])
    store.client.close()


def test_a_store_that_may_not_write_without_its_replicas_is_away(own: StoreServer) -> None:
    store = opened(own)
    store.client.config_set("min-replicas-to-write", 1)
    with pytest.raises(StoreAway, match="NOREPLICAS"):
        queue(store, row())
    store.client.close()


PROGRAM = """
from worker.build import crew
from worker.events import send
crew().context.store.client.shutdown(nosave=True)
send([("task-started", {"uuid": "1"})])
"""


def test_events_for_flower_that_cannot_be_published_are_not_taken_for_sent(
    own: StoreServer, tmp_path: Path
) -> None:
    env = {"REDIS_URL": own.url, "REELQUEUE_DATA_DIR": str(tmp_path), "RUNWARE_API_KEY": "x" * 32}
    env["REELQUEUE_INSTALLATION_SECRET"] = "y" * 32
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1
    assert "errors.StoreAway: " in told.stderr.splitlines()[-1]


@pytest.mark.parametrize("ask", [Store.sweep, Store.probe], ids=["script", "command"])
def test_a_store_that_was_demoted_is_left_for_the_one_its_name_leads_to(
    own: StoreServer, tmp_path: Path, ask: Callable[[Store], object]
) -> None:
    """A planned fail-over closes no connection; the old server answers READONLY for ever."""
    (tmp_path / "other").mkdir()
    now = ("--shutdown-timeout", "0")  # no wait for its replica
    other_server = StoreServer(valkey_binary(), tmp_path / "other", *now)
    with other_server as other, Relay(own.port) as relay:
        store = Store.open(f"redis://127.0.0.1:{relay.port}/0", "faults")
        store.marks.check("simulated", 8)
        store.probe()
        other_client = redis.Redis(port=other.port)
        with redis.Redis(port=own.port) as before:
            before.replicaof("127.0.0.1", str(other.port))
        relay.leads_to = other.port
        before_it = other_client.info("stats")["total_commands_processed"]
        with pytest.raises(StoreAway):
            ask(store)
        ask(store)
        assert other_client.info("stats")["total_commands_processed"] > before_it
        other_client.close()
        store.client.close()


def test_who_waits_at_a_store_that_is_demoted_is_told_and_goes_on_where_its_name_leads_to(
    own: StoreServer, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other_server = StoreServer(valkey_binary(), tmp_path / "other", "--shutdown-timeout", "0")
    with other_server as other, Relay(own.port) as relay, redis.Redis(port=own.port) as before:

        def demote() -> None:
            wait_until(lambda: before.info("clients")["blocked_clients"] == 1)
            relay.leads_to = other.port
            before.replicaof("127.0.0.1", str(other.port))

        store = Store.open(f"redis://127.0.0.1:{relay.port}/0", "faults")
        waiting = connect(f"redis://127.0.0.1:{relay.port}/0", 20)
        demoting = threading.Thread(target=demote)
        demoting.start()
        with pytest.raises(StoreAway, match="UNBLOCKED"):
            store.await_nudge(waiting, 15)
        demoting.join()
        with redis.Redis(port=other.port) as after:
            after.rpush(store.keys("nudge"), "1")
            store.await_nudge(waiting, 15)
            assert not after.exists(store.keys("nudge"))
        for client in (waiting, store.client):
            client.close()


def test_a_full_store_can_be_freed(own: StoreServer) -> None:
    store = opened(own)
    jobs = queue(store, row()) + queue(store, row(), name="other")
    resize(store, 1)
    bring_to(store, jobs[0], State.COMPLETED)
    store.client.delete(store.keys("ends"))
    store.client.config_set("maxmemory", "1")
    with pytest.raises(StoreAway):
        store.deliver(jobs[1], [success(jobs[1])])
    assert verbs.cancel(store, [record(store, jobs[1])]) == ["unsent"]
    (entry,) = store.client.xrange(store.keys("ends"))
    assert store.scripts.run("settled", store.keys("ends"), "settle", entry[0]) == 1
    assert store.scripts.run("prune", "batch_batch", 60) == 1
    store.client.close()
