"""What goes wrong with the store, its disk and the line to it."""

import shutil
import signal
import subprocess
from pathlib import Path

import redis
from registry import Open, case
from simulator_driver import wait_until
from yard import BLIND, KINDS, LONG, Told, Yard, until

from tasks.job import State

MANY = KINDS * 4


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
    calm = {"REELQUEUE_WINDOW_START": "300", "REELQUEUE_RESOLVE_AFTER": "600"}
    always = ("--appendfsync", "always")  # so that it may be killed while it writes
    with yard(simulator=("--latency", "1"), settings=calm, options=always) as at:
        at.submit([(f"webhook=jitter:6 {BLIND}", 1)] * 200)
        until(lambda: not at.count(State.QUEUED, State.SUBMITTING))
        for _ in range(6):
            before = at.ended
            until(lambda seen=before: at.ended > seen)
            at.server.stop(signal.SIGKILL, at_once=True)
            at.server.start()
            at.look()
            at.events += 1
        at.heal()
        return at.verdict()


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
        until(lambda: at.ended > 16, 120)  # claims that are lost may hold all slots, for 45 s
        at.bury()  # what a lost claim holds
        until(lambda: at.ended > 24, 120)
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
