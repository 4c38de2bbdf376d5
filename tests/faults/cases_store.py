"""What goes wrong with the store, its disk and the line to it."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import redis
from proxy import Proxy
from registry import MEMORIES, Open, case
from simulator_driver import wait_until
from store_driver import StoreServer, valkey_binary
from yard import KINDS, OFF, Told, Yard, until

from tasks.job import State
from tasks.store import Store

MANY = KINDS * 4
LONG = {"REELQUEUE_WINDOW_START": "6"}
"""So few slots that a batch takes a while."""


@case()
def the_store_is_killed_and_started_again_and_again(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        at.submit(MANY)
        for _ in range(5):
            before = at.ended
            until(lambda seen=before: at.ended > seen)
            at.server.stop(signal.SIGKILL)
            at.events += 1
            at.server.start()
        at.heal()
        return at.verdict()


@case()
def the_store_is_away_for_a_while(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        at.submit(MANY)
        until(lambda: at.ended > 4)
        at.server.stop(signal.SIGKILL)
        tried = at.simulator.totals()["webhooks_sent"]
        wait_until(lambda: at.simulator.totals()["webhooks_sent"] > tried + 8, 30)
        at.events = 1
        at.server.start()
        at.heal()
        return at.verdict()


@case()
def the_store_hangs_for_longer_than_anybody_waits(yard: Open) -> Told:
    with yard(workers=2, settings=LONG) as at:
        at.submit(MANY)
        until(lambda: at.ended > 4)
        at.server.send(signal.SIGSTOP)
        wait_until(lambda: b"tick.failed" in (at.folder / "worker.log").read_bytes(), 20)
        at.server.send(signal.SIGCONT)
        at.events = 1
        at.heal()
        return at.verdict()


@case()
def what_the_door_acknowledged_outlives_kills_of_the_store(yard: Open) -> Told:
    slow = {"REELQUEUE_POLL_FIRST": "60", "REELQUEUE_WINDOW_START": "300"}
    with yard(simulator=("--latency", "0.5"), settings=slow) as at:
        at.submit([("webhook=jitter:5", 1)] * 200)
        for _ in range(6):
            before = at.ended
            until(lambda seen=before: at.ended > seen)
            at.server.stop(signal.SIGKILL)
            at.server.start()
            at.events += 1
        at.heal()
        return at.verdict()


@case(memories=MEMORIES, needs="compiler")
def power_fails_and_the_last_second_is_gone(yard: Open) -> Told:
    with yard(shims=["store"], settings=LONG) as at:
        at.submit(MANY)
        time.sleep(1.5)  # the batch is on the disk; the disk is told once a second
        until(lambda: at.purchases() > 8)
        at.power_cut()
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
        at.power_cut()
        at.server.start()
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
        at.power_cut()
        at.shims["store"].stall(0)
        at.events += 1
        at.server.start()
        at.heal()
        return at.verdict()


@case()
def the_history_ends_in_the_middle_of_a_write(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        at.submit([(OFF, n % 3 + 1) for n in range(16)])
        until(lambda: at.count(State.COMPLETED) > 6)
        at.power_cut(cut=7)
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
        at.server.stop(signal.SIGKILL)
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
        at.heal()
        return at.verdict(lost=True)


@case(needs="compiler")
def the_clock_of_the_store_jumps(yard: Open) -> Told:
    with yard(shims=["store"], settings=LONG) as at:
        at.submit(MANY)
        for seconds in (3600.0, 3597.0, 7200.0):
            before = at.ended
            until(lambda seen=before: at.ended > seen)
            at.shims["store"].shift(seconds)
            at.events += 1
        until(lambda: is_quiet(at), 40)
        at.shims["store"].shift(8000.0)  # past the deadline tasks are asked for every ten minutes
        at.events += 1
        at.heal()
        return at.verdict()


def is_quiet(at: Yard) -> bool:
    """Whether all jobs have ended and the provider has nothing to do; what is held goes on."""
    at.hasten()
    return at.ended == len(at.jobs) and not at.simulator.totals()["running"]


@case()
def the_stores_memory_is_full(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        at.submit(MANY)
        until(lambda: at.ended > 4)
        at.store.client.config_set("maxmemory", 1)
        tried = at.simulator.totals()["webhooks_sent"]
        wait_until(lambda: at.simulator.totals()["webhooks_sent"] > tried + 5, 30)
        at.store.client.config_set("maxmemory", 0)
        at.events = 1
        at.heal()
        return at.verdict()


@case()
def the_stores_memory_is_full_while_a_worker_connects(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        at.submit(MANY)
        until(lambda: at.ended > 4)
        (worker,) = at.workers
        at.store.client.config_set("maxmemory", 1)
        at.worker_store.cut()
        wait_until(lambda: b"Cannot connect" in at.log or not worker.lives, 30)
        at.store.client.config_set("maxmemory", 0)
        at.heal()
        told = at.verdict()
        assert at.workers == [worker]
        return told


@case(needs="root")
def the_stores_disk_is_full(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        at.server.stop()
        subprocess.run(
            [program("mount"), "-t", "tmpfs", "-o", "size=1m", "none", at.data], check=True
        )
        try:
            at.server.start()
            at.submit(MANY)
            until(lambda: at.ended > 4)
            filler = at.data / "filler"
            fill(filler)
            wait_until(lambda: refuses(at), 30)
            filler.unlink()
            at.events = 1
            at.heal()
            return at.verdict()
        finally:
            at.server.stop(signal.SIGKILL)
            subprocess.run([program("umount"), at.data], check=True)


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
            at.server.stop(signal.SIGKILL)
            at.use(replica)
            at.store.client.replicaof("NO", "ONE")
            at.events = 1
            at.heal()
            return at.verdict(lost=True)


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


@case()
def connections_break_inside_scripts(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        at.submit(MANY)
        for keep in (0, 3, 1):
            for line in (at.worker_store, at.door_store):
                line.lose(b"FCALL", 3, keep=keep)
            until(lambda: not at.worker_store.left_to_lose and not at.door_store.left_to_lose)
        at.worker_store.cut()
        at.door_store.cut()
        at.heal()
        return at.verdict()


@case()
def answers_of_the_store_come_byte_by_byte(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        at.worker_store.drip = at.door_store.drip = True
        at.submit(KINDS)
        return at.verdict()


@case()
def an_answer_that_never_ends_holds_the_ticker_of_a_worker(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        at.submit(MANY)
        until(lambda: at.ended > 4)
        (worker,) = at.workers
        at.worker_store.endless = b"BLPOP"
        wait_until(lambda: not worker.lives, 100)
        at.worker_store.endless = b""
        at.heal()
        told = at.verdict()
        assert b'"no round for 60 s: ticker"' in at.log
        return told


@case()
def rights_at_the_store_are_withdrawn_and_given_back(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        at.submit(MANY)
        until(lambda: at.ended > 4)
        (worker,) = at.workers
        change = at.store.client.execute_command
        change("ACL", "SETUSER", "root", "on", "nopass", "~*", "&*", "+@all")
        change("ACL", "SETUSER", "default", "-@blocking", "-@scripting", "-@write")
        until(lambda: b"tick.left" in at.log)
        with redis.Redis(port=at.server.port, username="root", password="any") as root:
            root.execute_command("ACL", "SETUSER", "default", "+@all")
        at.events = 1
        at.heal()
        told = at.verdict()
        assert at.workers == [worker]
        assert b"Error on " not in at.log
        return told


@case()
def every_tenth_call_to_the_store_fails_before_or_after_it_was_done(yard: Open) -> Told:
    with yard(workers=0, settings=LONG) as at:
        assert at.door
        at.door.end()
        at.open_door(FLAKY="0.05,0.05")
        at.hire(FLAKY="0.05,0.05")
        at.hire(FLAKY="0.05,0.05")
        at.submit(MANY)
        until(lambda: at.ended > 16, 60)
        at.bury()  # what a lost claim holds
        until(lambda: at.ended > 24, 60)
        at.kill_workers()
        at.hire()
        return at.verdict()


@case()
def the_store_takes_no_more_clients(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        at.submit(MANY)
        until(lambda: at.ended > 4)
        before = at.store.client.config_get("maxclients")["maxclients"]
        at.store.client.config_set("maxclients", 1)
        for line in (at.worker_store, at.door_store):
            line.cut()
        wait_until(lambda: b"tick.failed" in (at.folder / "worker.log").read_bytes(), 20)
        at.store.client.config_set("maxclients", before)
        at.heal()
        return at.verdict()


def program(name: str) -> str:
    """Return where a program is."""
    return shutil.which(name) or name


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


def fill(file: Path) -> None:
    """Write until the disk is full."""
    try:
        with file.open("wb", buffering=0) as out:
            while out.write(b"\0" * 4096):
                pass
    except OSError:
        return


def refuses(at: Yard) -> bool:
    """Whether the store says that it cannot write."""
    return not at.answers()
