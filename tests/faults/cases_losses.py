"""What a store has lost: its last second, its history, the word of another."""

import json
import signal
import subprocess
import time
from pathlib import Path

import redis
from proxy import Proxy
from registry import MEMORIES, Open, case
from simulator_driver import wait_until
from store_driver import StoreServer, valkey_binary
from yard import KINDS, LONG, OFF, Told, Yard, until

from tasks.job import State
from tasks.store import Store

MANY = KINDS * 4


@case(memories=MEMORIES, needs="compiler")
def power_fails_and_the_last_second_is_gone(yard: Open) -> Told:
    with yard(shims=["store"], settings=LONG) as at:
        at.submit(MANY)
        time.sleep(1.5)  # the batch is on the disk; the disk is told once a second
        until(lambda: at.purchases() > 8)
        synced = at.synced
        wait_until(lambda: at.synced > synced)  # just now, so not for a while
        bought = at.purchases()
        wait_until(lambda: at.purchases() > bought)
        assert at.power_cut() > 0
        for worker in at.workers:
            worker.end()
        at.workers.clear()
        at.server.start()
        at.bury()
        at.hire()
        at.heal()
        return at.verdict(lost=True)


@case(memories=("running", "never"), needs="compiler")
def power_fails_where_every_write_is_synced(yard: Open) -> Told:
    always = ("--appendfsync", "always")
    with yard(shims=["store"], options=always, settings=LONG) as at:
        at.submit(MANY)
        until(lambda: at.purchases() > 8)
        with at.nobody_polls():
            at.power_cut()
            at.server.start()
            at.look()
        at.heal()
        return at.verdict()


@case(needs="compiler")
def the_disk_stalls_and_then_power_fails(yard: Open) -> Told:
    always = ("--appendfsync", "always")
    with yard(shims=["store"], options=always, settings=LONG) as at:
        at.submit(MANY)
        until(lambda: at.ended > 4)
        at.shims["store"].stall(3)
        wait_until(lambda: at.simulator.totals()["webhooks_sent"] > 20, 30)
        with at.nobody_polls():
            at.power_cut()
            at.shims["store"].stall(0)
            at.server.start()
            at.look()
        at.events += 1
        at.heal()
        return at.verdict()


@case()
def the_history_ends_in_the_middle_of_a_write(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        at.submit([(OFF, n % 3 + 1) for n in range(16)])
        until(lambda: at.count(State.COMPLETED) > 6)
        assert at.power_cut(cut=7)
        at.server.start()
        at.heal()
        return at.verdict(lost=True)


@case(memories=MEMORIES)
def the_history_is_damaged_and_a_backup_is_restored(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        at.submit(MANY)
        until(lambda: at.ended > 3)
        copy = at.backup()
        until(lambda: at.ended > 12)
        at.server.stop(signal.SIGKILL, at_once=True)
        damage(at.history)
        starts_not(at)
        at.restore(copy)
        at.heal()
        return at.verdict(lost=True)


@case(memories=MEMORIES)
def the_store_is_lost_and_the_manifest_submitted_again(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        at.submit(MANY)
        until(lambda: at.ended > 8)
        at.kill_workers()
        at.restore(None)
        at.submit(MANY)
        at.hire()
        at.heal()
        return at.verdict(lost=True)


@case(memories=MEMORIES)
def somebody_empties_the_store_of_living_workers(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        at.submit(MANY)
        until(lambda: at.ended > 8)
        at.store.client.flushall()
        at.events = 1
        at.submit(MANY)
        at.heal()
        return at.verdict(lost=True)


@case(memories=MEMORIES)
def the_command_submits_again_what_the_store_has_lost(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        manifest = at.folder / "films.jsonl"
        rows = [
            {"custom_id": str(n), "prompt": f"{n} [[sim: {words}]]", "numberResults": width}
            for n, (words, width) in enumerate(MANY)
        ]
        manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
        at.command("submit", str(manifest))
        until(lambda: at.ended > 8)
        at.restore(None)
        at.command("submit", str(manifest))
        assert len(at.jobs) == len(MANY)
        at.heal()
        return at.verdict(lost=True)


@case(memories=MEMORIES)
def a_replica_that_lags_takes_over(yard: Open) -> Told:
    at_once = ("--repl-diskless-sync-delay", "0")
    with yard(settings=LONG, options=at_once) as at, Proxy(at.server.port) as line:
        folder = at.folder / "replica"
        folder.mkdir()
        follows = ("--replicaof", f"127.0.0.1 {line.port}")
        with StoreServer(valkey_binary(), folder, *follows) as replica:
            at.submit(MANY)
            until(lambda: at.ended > 3 and follows_closely(at))
            line.deaf = True
            until(lambda: at.ended > 10)
            at.server.stop(signal.SIGKILL, at_once=True)
            at.use(replica)
            at.store.client.replicaof("NO", "ONE")
            at.events = 1
            at.heal()
            return at.verdict(90, lost=True)  # a claim that was lost is taken up after 45 s


@case(memories=("running", "never"))
def a_store_takes_the_data_of_a_replica_that_lags_and_leads_on(yard: Open) -> Told:
    at_once = ("--repl-diskless-sync-delay", "0")
    with yard(settings=LONG, options=at_once) as at, Proxy(at.server.port) as line:
        folder = at.folder / "replica"
        folder.mkdir()
        follows = ("--replicaof", f"127.0.0.1 {line.port}", *at_once)
        with StoreServer(valkey_binary(), folder, *follows) as replica:
            at.submit(MANY)
            until(lambda: at.ended > 3 and follows_closely(at))
            line.deaf = True
            until(lambda: at.ended > 10)
            with redis.Redis(port=replica.port) as other:
                other.replicaof("NO", "ONE")
            own = at.store.client
            own.replicaof("127.0.0.1", replica.port)
            until(lambda: own.info("replication")["master_link_status"] == "up")
            own.replicaof("NO", "ONE")  # the same server process, with another history
            at.bury()  # leases of claims that were lost
            at.events = 1
            at.heal()
            return at.verdict(lost=True)


@case(memories=("forever", "never"))
def the_store_is_demoted_and_its_name_leads_to_another_while_connections_stay(yard: Open) -> Told:
    at_once = ("--repl-diskless-sync-delay", "0")
    with yard(workers=2, settings=LONG, options=at_once) as at:
        folder = at.folder / "replica"
        folder.mkdir()
        follows = ("--replicaof", f"127.0.0.1 {at.server.port}", *at_once)
        with StoreServer(valkey_binary(), folder, *follows) as replica:
            at.submit(MANY)
            until(lambda: at.ended > 6 and follows_closely(at))
            for line in (at.worker_store, at.door_store):
                line.target = replica.port
            old, pids = at.store.client, [worker.pid for worker in at.workers]
            at.store = Store.open(replica.url, "faults")
            at.store.client.replicaof("NO", "ONE")
            old.replicaof("127.0.0.1", str(replica.port))
            at.events = 1
            at.heal()
            told = at.verdict(90, lost=True)  # a claim that was lost is taken up after 45 s
            assert [worker.pid for worker in at.workers] == pids
            return told


def damage(history: Path) -> None:
    """Write noise into the middle of a file."""
    with history.open("r+b") as file:
        file.seek(history.stat().st_size // 2)
        file.write(b"\xff" * 64)


def starts_not(at: Yard) -> None:
    """See that the store refuses such a history, instead of going on with half of it."""
    folder = ["--port", "0", "--dir", str(at.data), "--appendonly", "yes", "--save", ""]
    ended = subprocess.run([valkey_binary(), *folder], capture_output=True, timeout=20, check=False)
    assert ended.returncode == 1


def follows_closely(at: Yard) -> bool:
    """Whether a replica has all that was written a moment ago."""
    return bool(at.store.client.wait(1, 100))
