"""Children are started in their order, and again when they have died."""

import io
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from supervise_driver import ENV, SLEEPS, Ground, kill, lives, program, setting

from console.supervise import Child, ChildFailed


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


# Starting


def test_a_child_is_started_once_all_before_it_are_ready(ground: Ground) -> None:
    asked: list[tuple[str, list[str]]] = []

    def child(name: str) -> Child:
        def ready() -> bool:
            asked.append((name, list(ground.pids())))
            return [who for who, _ in asked].count(name) == 2

        return Child(name, program(SLEEPS), ENV, ready)

    with ground.running(child("store"), child("web"), child("worker")):
        assert list(ground.pids()) == ["store", "web", "worker"]
    assert asked == [
        *[("store", ["store"])] * 2,
        *[("web", ["store", "web"])] * 2,
        *[("worker", ["store", "web", "worker"])] * 2,
    ]


def test_a_child_that_is_never_ready_ends_the_start_with_its_last_lines(ground: Ground) -> None:
    code = "import time\nfor i in range(20): print('line', i, flush=True)\ntime.sleep(600)"
    seen: dict[str, int] = {}

    def never() -> bool:
        seen.update(ground.pids())
        return False

    web = Child("web", program(code), ENV, never, ready_within=1)
    with pytest.raises(ChildFailed) as failure:
        ground.supervisor(ground.child("store"), web).start(threading.Event())

    assert str(failure.value).startswith(
        "web was not ready within 1 s; its last lines:\n  line 5\n"
    )
    assert failure.value.tail == tuple(f"line {i}" for i in range(5, 20))
    assert failure.value.status is None
    assert list(seen) == ["store", "web"]
    assert not any(map(lives, seen.values()))
    assert not ground.record.exists()


def test_a_child_that_says_why_it_is_not_ready_is_told_with_its_reason(ground: Ground) -> None:
    web = Child("web", program(SLEEPS), ENV, lambda: "the store is away", ready_within=0.5)
    with pytest.raises(ChildFailed, match=r"ready within 0\.5 s \(the store is away\)"):
        ground.supervisor(web).start(threading.Event())


def test_a_child_that_ends_before_it_is_ready_ends_the_start_with_its_status(
    ground: Ground,
) -> None:
    web = ground.child("web", "import sys; print('port taken', file=sys.stderr); sys.exit(7)")
    with pytest.raises(ChildFailed) as failure:
        ground.supervisor(web).start(threading.Event())
    assert str(failure.value) == "web ended with status 7; its last lines:\n  port taken"
    assert (failure.value.name, failure.value.status) == ("web", 7)


def test_a_death_before_all_are_ready_is_blamed_on_the_one_that_died(ground: Ground) -> None:
    def ready() -> bool:
        kill(ground.pids()["store"])
        return False

    web = Child("web", program(SLEEPS), ENV, ready)
    with pytest.raises(ChildFailed, match="store was killed by signal 9"):
        ground.supervisor(ground.child("store"), web).start(threading.Event())


def test_a_missing_program_is_named_without_its_arguments(ground: Ground) -> None:
    missing = Child("web", ["/no/such-program", "--key=sesame"], ENV, ready=lambda: False)
    with pytest.raises(ChildFailed) as failure:
        ground.supervisor(missing).start(threading.Event())
    assert failure.value.tail == ("cannot start such-program: No such file or directory",)
    assert "sesame" not in repr(missing) + repr(failure.value)


def test_start_returns_at_once_when_told_to_stop(ground: Ground) -> None:
    never = Child("store", program(SLEEPS), ENV, ready=lambda: False, ready_within=60)
    stop = threading.Event()
    with ground.supervisor(never, ground.child("web")) as supervisor:
        with setting(stop, when=ground.pids):
            supervisor.start(stop)
            returned = time.monotonic()
        pids = ground.pids()
        supervisor.watch(stop)
        supervisor.stop()
        assert time.monotonic() - returned < 2
    assert list(pids) == ["store"]
    assert not lives(pids["store"])


# Watching


def test_killed_children_are_restarted_and_the_others_left_alone(ground: Ground) -> None:
    stop, killed = threading.Event(), ("web", "worker")
    with ground.running(*map(ground.child, ("store", "web", "worker"))) as supervisor:
        before = ground.pids()
        for name in killed:
            kill(before[name])
        with setting(stop, when=lambda: all(ground.log(name).count("up") == 2 for name in killed)):
            supervisor.watch(stop)
        after = ground.pids()
        assert after["store"] == before["store"]
        assert all(after[name] != before[name] and lives(after[name]) for name in killed)
    assert "was killed by signal 9; starts again in 0.5 s" in ground.events("web")


def test_a_restart_that_waits_to_be_ready_holds_nobody_up(ground: Ground) -> None:
    starts: set[int] = set()

    def only_the_first_time() -> bool:
        starts.add(ground.pids()["web"])
        return len(starts) == 1

    web = Child("web", program(SLEEPS), ENV, only_the_first_time, ready_within=60)
    stop = threading.Event()

    with ground.running(ground.child("store"), web) as supervisor:
        pids = ground.pids()

        def another_dies_and_returns() -> bool:
            if len(starts) == 2 and pids:
                kill(pids.pop("store"))
                pids.clear()
            return ground.log("store").count("up") == 2

        kill(pids["web"])
        with setting(stop, when=another_dies_and_returns):
            supervisor.watch(stop)
    assert len(starts) == 2


def test_a_child_that_dies_five_times_ends_all_with_its_last_lines(ground: Ground) -> None:
    go = ground.folder / "go"
    code = f"""
import pathlib, sys, time
print("up", flush=True)
while not pathlib.Path({str(go)!r}).exists():
    time.sleep(0.01)
sys.exit("no room")
"""
    with ground.running(ground.child("store"), ground.child("web", code)) as supervisor:
        pids = ground.pids()
        go.touch()
        with pytest.raises(ChildFailed) as failure:
            supervisor.watch(threading.Event())
    assert str(failure.value).startswith("web ended with status 1, its death number 5 in a row; ")
    assert failure.value.tail[-2:] == ("up", "no room")
    assert ground.log("web").count("no room") == 5
    assert not lives(pids["store"])
    assert not ground.record.exists()


@contextmanager
def no_file_grows() -> Iterator[None]:
    """Let this process write to no file, as on a full disk; pipes are not files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_ends_nothing_and_what_runs_is_recorded_once_there_is_room(
    ground: Ground,
) -> None:
    echo, stop, room = io.StringIO(), threading.Event(), threading.Event()

    def is_noted() -> bool:
        return "web   ! children.json cannot be written (File too large)" in echo.getvalue()

    with ground.running(ground.child("store"), ground.child("web"), echo=echo) as supervisor:
        before = ground.pids()
        with no_file_grows(), setting(stop, when=is_noted):
            kill(before["web"])
            supervisor.watch(stop)
        assert ground.pids() == before
        assert lives(before["store"])
        with setting(room, when=lambda: ground.pids() != before):
            supervisor.watch(room)
        after = ground.pids()
        assert after["store"] == before["store"]
        assert lives(after["web"])
