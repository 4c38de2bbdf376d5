"""Children end in their order, with their own, and with a supervisor that was killed."""

import json
import sys
import threading
import time
from pathlib import Path

import pytest
from simulator_driver import wait_until
from supervise_driver import (
    HAS_A_STUBBORN_CHILD,
    IGNORES_SIGTERM,
    SLEEPS,
    Ground,
    group,
    kill,
    lives,
    setting,
)

from console import orphan
from console.supervise import Child

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next run ends them")


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


# Stopping


def test_the_first_child_is_ended_after_all_others(ground: Ground) -> None:
    ended = ground.folder / "ended"

    def slow_to_end(name: str, seconds: float) -> Child:
        code = f"""
import signal, sys, time
def end(*_):
    time.sleep({seconds})
    open({str(ended)!r}, "a").write("{name} ")
    sys.exit()
signal.signal(signal.SIGTERM, end)
{SLEEPS}"""
        return ground.child(name, code)

    slow = [("store", 0.0), ("web", 0.6), ("worker", 0.4)]
    with ground.running(*(slow_to_end(name, seconds) for name, seconds in slow)):
        pass
    *others, last = ended.read_text(encoding="ascii").split()
    assert ({*others}, last) == ({"web", "worker"}, "store")


def test_a_child_that_ignores_sigterm_delays_the_stop_only_within_ten_seconds(
    ground: Ground,
) -> None:
    store = ground.child("store", stop_within=8)
    web = ground.child("web", IGNORES_SIGTERM, stop_within=60)
    worker = ground.child("worker", IGNORES_SIGTERM, stop_within=60)
    with ground.running(store, web, worker) as supervisor:
        pids = ground.pids()
        began = time.monotonic()
        supervisor.stop()
        # Of the nine seconds to spend, eight are kept for the store, which needs none.
        assert 1 <= time.monotonic() - began < 4
    assert not any(map(lives, pids.values()))
    assert not ground.record.exists()


def test_stopping_twice_or_before_any_start_does_nothing(ground: Ground) -> None:
    supervisor = ground.supervisor(ground.child("store"))
    supervisor.stop()
    supervisor.start(threading.Event())
    supervisor.stop()
    supervisor.stop()
    assert not ground.pids()


def test_a_stopped_childs_own_children_go_too(ground: Ground) -> None:
    with ground.running(ground.child("web", HAS_A_STUBBORN_CHILD)):
        pid = ground.pids()["web"]
        assert len(group(pid)) == 2
    assert not group(pid)


def test_a_dead_childs_own_children_are_gone_before_the_next_start(ground: Ground) -> None:
    stop = threading.Event()
    with ground.running(ground.child("web", HAS_A_STUBBORN_CHILD)) as supervisor:
        pid = ground.pids()["web"]
        kill(pid)
        with setting(stop, when=lambda: ground.pids()["web"] != pid):
            supervisor.watch(stop)
        assert not group(pid)


# Killed with -9


@linux_only
def test_a_killed_supervisor_leaves_no_child(ground: Ground) -> None:
    with ground.driver(SLEEPS) as driver:
        pids = ground.pids()
        assert all(map(lives, pids.values()))
        driver.kill()
        wait_until(lambda: not any(map(lives, pids.values())))
    assert list(pids) == ["store", "web"]


def test_what_a_killed_run_left_is_ended_by_the_next(ground: Ground) -> None:
    with ground.driver(IGNORES_SIGTERM) as driver:
        pids = ground.pids()
        driver.kill()
    assert all(map(lives, pids.values()))
    assert orphan.end_leftovers(ground.folder) == ["store", "web"]
    assert not any(map(lives, pids.values()))
    assert orphan.end_leftovers(ground.folder) == []
    assert not ground.record.exists()


def test_a_stranger_with_a_recorded_process_id_is_not_ended(ground: Ground) -> None:
    with ground.running(ground.child("store")):
        (row,) = ground.rows()
        ground.record.write_text(json.dumps([row | {"born": "earlier"}]), encoding="utf-8")
        assert orphan.end_leftovers(ground.folder) == []
        assert lives(row["pid"])


def test_a_recorded_child_that_has_ended_is_not_named(ground: Ground) -> None:
    with ground.running(ground.child("store")):
        rows = ground.rows()
    ground.record.write_text(json.dumps(rows), encoding="utf-8")
    assert orphan.end_leftovers(ground.folder) == []
