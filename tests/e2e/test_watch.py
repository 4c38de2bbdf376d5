"""`watch`, `status`, `list` and `doctor` beside a store in which others move the jobs."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Self

import pytest
import redis
from core_driver import asked, bring_to, error, queue, record, row, success, take, verdict
from relay import Relay
from simulator_driver import wait_until
from stack_driver import COMMAND, Place
from store_driver import StoreServer, free_port, valkey_binary
from terminal_driver import Terminal

from console.up import summary
from tasks import verbs
from tasks.job import State
from tasks.settings import load
from tasks.store import Store

HOSTILE = "\x1b[2J\u202e[bold]bad\nnews\x07"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StoreServer]:
    """Give a store of one's own, to be stopped and started."""
    (tmp_path / "store").mkdir()
    with StoreServer(valkey_binary(), tmp_path / "store") as running:
        yield running


@pytest.fixture
def here(server: StoreServer, tmp_path: Path) -> Place:
    """Give a place whose settings name that store; nothing runs there."""
    return Place(tmp_path, REDIS_URL=server.url)


@pytest.fixture
def store(server: StoreServer) -> Iterator[Store]:
    """Give that store, new."""
    opened = Store.open(server.url, "reelqueue")
    opened.marks.check("simulated", 8)
    yield opened
    opened.client.close()


class Started:
    """A verb that is running; what it said so far can be read."""

    def __init__(self, place: Place, *args: str) -> None:
        self._out, self._err = place.tmp / "out", place.tmp / "err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [COMMAND, *args], env=place.env, stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def out(self) -> str:
        return self._out.read_text("utf-8")

    @property
    def err(self) -> str:
        return self._err.read_text("utf-8")

    def says(self, text: str, times: int = 1) -> None:
        """Wait until it has said this so often."""
        wait_until(lambda: self.err.count(text) >= times or self.process.poll() is not None)
        assert self.err.count(text) >= times, self.err


def lead(store: Store) -> None:
    """Let a worker seem to live."""
    store.client.set(store.keys("leader"), "somebody")


def finish(store: Store, *jobs: str) -> None:
    take(store)
    for job in jobs:
        store.deliver(job, [success(job)])


def fail(store: Store, job: str, code: str, message: str) -> None:
    ask = asked(store, job)
    with store.moves() as moves:
        moves.fail(ask, (code, message), verdict(error(ask.task_uuid, code), final=True))


def test_without_a_terminal_it_tells_what_changes_through_outages_to_the_end(
    here: Place, store: Store, server: StoreServer
) -> None:
    jobs = queue(store, *[row()] * 3)
    with Started(here, "watch", "batch") as watching:
        watching.says("nothing is running: reelqueue up")
        lead(store)
        watching.says("batch: 3 queued · 0 USD (SIMULATED) · waits longest: batch-")
        store.client.delete(store.keys("leader"))
        watching.says("nothing is running: reelqueue up", times=2)
        server.stop()
        watching.says("the store does not answer; it is asked again")
        server.start()
        watching.says("3 queued", times=3)
        verbs.hold(store, "batch_batch", "lunch")
        watching.says("PAUSED by you: lunch; reelqueue resume batch")
        verbs.resume(store, "batch_batch")
        finish(store, *jobs[:2])
        fail(store, jobs[2], "timeoutProvider", "too slow")
        assert watching.process.wait(10) == 3
        assert "batch completed: 2 ok, 1 failed, 1 USD\n" in watching.err
        assert "1 x timeoutProvider: too slow" in watching.err
        assert "reelqueue retry batch --code timeoutProvider" in watching.err
        assert watching.out == ""


def test_json_has_an_object_a_line_of_which_the_last_is_final(here: Place, store: Store) -> None:
    jobs = queue(store, *[row()] * 2)
    with Started(here, "watch", "batch", "--json") as watching:
        wait_until(lambda: "\n" in watching.out)
        finish(store, *jobs)
        assert watching.process.wait(10) == 0
        told = [json.loads(line) for line in watching.out.splitlines()]
    assert [look["final"] for look in told] == [False] * (len(told) - 1) + [True]
    first, last = told[0], told[-1]
    assert (first["status"], first["worker"], first["waits_longest"]["job_id"]) == (
        "in_progress",
        False,
        jobs[0],
    )
    assert first["window"] == {"used": 0, "limit": 8}
    assert (last["status"], last["cost"], last["waits_longest"]) == ("completed", "1", None)


def test_left_from_one_terminal_it_goes_on_in_another(here: Place, store: Store) -> None:
    jobs = queue(store, row())
    with Terminal(here, "watch", "batch") as staying, Terminal(here, "watch", "batch") as leaving:
        wait_until(lambda: "0 of 1" in staying.seen() and "0 of 1" in leaving.seen())
        leaving.type("\x03")
        wait_until(leaving.ended)
        assert leaving.process.returncode == 130
        assert "Follow it again: reelqueue watch batch" in leaving.seen()
        finish(store, *jobs)
        wait_until(staying.ended)
        assert staying.process.returncode == 0
        assert "batch completed: 1 ok" in staying.seen()


def test_nothing_that_others_wrote_moves_the_cursor(here: Place, store: Store) -> None:
    bad, parked, _ = queue(store, *[row()] * 3)
    take(store)
    fail(store, bad, f"code{HOSTILE}", HOSTILE)
    token = store.client.hget(store.keys("job", parked), "t").decode()
    with store.moves() as moves:
        moves.lose(parked, token, "", "no answer")
    with store.moves() as moves:
        moves.park(asked(store, parked), 600, ("unresolved", "never found"))
    store.pause("*", f"insufficientCredits: {HOSTILE}", 600)
    shown = here.run("watch", "batch", "--once")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert {"\x1b", "\u202e", "\x07"}.isdisjoint(shown.stdout)
    assert "1 x code[bold]badnews: [bold]badnews" in shown.stdout
    assert "PAUSED: insufficientCredits: [bold]badnews; tried again in " in shown.stdout
    assert "1 job needs your word: reelqueue retry batch --parked" in shown.stdout
    for verb in (("status", "batch"), ("doctor",)):
        assert {"\x1b", "\u202e", "\x07"}.isdisjoint(here.run(*verb).stdout)


def test_into_a_pipe_lines_are_as_long_as_what_they_tell(here: Place, store: Store) -> None:
    name, said = "n" * 64, " ".join(f"word{n}" for n in range(99))
    bad, parked = queue(store, row(), row(), name=name)
    token, _ = take(store)
    fail(store, bad, "invalidValue", said)
    with store.moves() as moves:
        moves.lose(parked, token, "", "no answer")
    with store.moves() as moves:
        moves.park(asked(store, parked), 600, ("unresolved", "never found"))
    for columns in ({}, {"COLUMNS": "80"}):
        (listed,) = [
            line for line in here.run("list", **columns).stdout.splitlines() if "nnn" in line
        ]
        assert listed.split()[0] == name
        assert "1 open, 1 of them parked" in listed
        assert listed.rstrip().endswith(f"batch_{name}")
        assert len(listed) < 300
        shown = here.run("watch", name, "--once", **columns).stdout
        assert f"1 x invalidValue: {said[:200]}" in shown
        assert max(len(line) - len(line.rstrip()) for line in shown.splitlines()) < 80


def test_one_look_in_json_is_one_object(here: Place, store: Store) -> None:
    queue(store, row())
    shown = here.run("watch", "batch", "--once", "--json")
    assert (shown.returncode, shown.stderr) == (0, "")
    told = json.loads(shown.stdout)
    assert (told["object"], told["final"], told["seconds_left"]) == ("batch", False, None)


def test_a_verb_waits_for_a_store_that_restarts_and_says_so(
    here: Place, store: Store, server: StoreServer
) -> None:
    queue(store, row())
    server.stop()
    with Started(here, "status", "batch") as asking:
        asking.says("The store does not answer; it is asked again for")
        server.start()
        assert asking.process.wait(10) == 0
        assert "batch in_progress: 0 ok, 1 open" in asking.out
        assert "nothing is running: reelqueue up" in asking.out


def test_list_and_doctor_tell_what_waits_for_the_user(here: Place, store: Store) -> None:
    (job,) = queue(store, row(numberResults=2), name="first")
    bring_to(store, job, State.RESOLVING)
    with store.moves() as moves:
        moves.park(asked(store, job), 600, ("unresolved", "never found"))
    (partial,) = queue(store, row(numberResults=2), name="second")
    bring_to(store, partial, State.PARTIAL)
    store.quarantine(partial, "digest", b"not json")
    store.client.rpush(store.keys("unsettled"), partial)
    listed = here.run("list", COLUMNS="200")
    assert "in_progress: 0 ok, 1 open, 1 of them parked" in listed.stdout
    assert "completed: 0 ok, 1 partial" in listed.stdout
    assert listed.stdout.index("first") < listed.stdout.index("second")
    assert "SIMULATED" in listed.stdout
    assert "1 parked: sent again only on your word" in listed.stderr
    assert "1 with callbacks that could not be understood" in listed.stderr
    lead(store)
    verbs.hold(store, "batch_first", "lunch")
    told = here.run("doctor")
    assert told.returncode == 0, told.stdout
    for line in (
        "ok    window: 0 of 8 slots taken",
        "ok    first paused by you: lunch",
        "ok    1 parked: ",
        f"set aside: {partial}",
        f"see reelqueue quarantine: of {partial}",
    ):
        assert line in told.stdout
    store.pause("*", "insufficientCredits: top up", 600)
    assert here.run("doctor").returncode == 1
    assert record(store, partial).state is State.PARTIAL


def test_doctor_tells_what_the_provider_was_found_to_take(here: Place, store: Store) -> None:
    queue(store, row())
    for what, most in {"tasks": 7, "bytes": 9000, "uuids": 4}.items():
        store.limits.takes_fewer(what, most)
    for field in ("b", "a"):
        store.limits.leave_out(field)
    told = here.run("doctor").stdout
    assert "found to take 7 tasks in one submission at most; that is tried again" in told
    assert "found to take 9000 bytes in one submission" in told
    assert "found to take 4 tasks in one poll" in told
    assert "found to refuse a,b: it is left out" in told


def test_a_job_of_a_paused_batch_is_told_to_wait_for_that(here: Place, store: Store) -> None:
    queue(store, row())
    verbs.hold(store, "batch_batch", "lunch")
    told = json.loads(here.run("watch", "batch", "--once", "--json").stdout)
    why = "It waits because nothing of its batch is sent: paused: lunch."
    assert told["waits_longest"]["waits_for"] == why
    assert why in " ".join(here.run("watch", "batch", "--once").stdout.split())


@pytest.mark.parametrize("format_", ["jsonl", "csv", "tsv"])
def test_standard_output_gets_the_table_in_any_text_form(
    here: Place, store: Store, format_: str
) -> None:
    queue(store, row(), row())
    shown = here.run("results", "batch", "--format", format_)
    assert shown.returncode == 0, shown.stderr
    assert len(shown.stdout.splitlines()) == (2 if format_ == "jsonl" else 3)
    assert "INCOMPLETE: 2 of 2 jobs are open" in shown.stderr


def test_a_table_of_a_batch_whose_submit_was_killed_says_that_rows_are_missing(
    here: Place, store: Store
) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.COMPLETED)
    store.open_batch("batch", "batch_batch", 1)  # to add rows, and then came the end
    shown = here.run("results", "batch", "-o", "cut.csv")
    assert shown.returncode == 0, shown.stderr
    missing = "INCOMPLETE: not all of its rows are recorded yet; the same submit again completes it"
    assert missing in shown.stderr


def test_sigterm_leaves_like_ctrl_c(here: Place, store: Store) -> None:
    queue(store, row())
    with Started(here, "watch", "batch") as watching:
        watching.says("1 queued")
        watching.process.send_signal(signal.SIGTERM)
        assert watching.process.wait(10) == 130
        assert "It goes on without you." in watching.err


def test_who_only_reads_leaves_a_server_that_the_stores_name_leads_to_no_more(
    server: StoreServer, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    follows = ("--replicaof", f"127.0.0.1 {server.port}", "--repl-diskless-sync-delay", "0")
    with (
        Relay(server.port) as relay,
        StoreServer(valkey_binary(), tmp_path / "other", *follows) as other,
    ):
        monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{relay.port}/0")
        settings, (job,) = load(), queue(store, row())
        with Started(Place(tmp_path), "watch", "batch") as watching:
            watching.says("1 queued")
            assert summary(settings).startswith("1 queued")
            wait_until(lambda: bool(store.client.wait(1, 100)))
            relay.leads_to = other.port
            with closing(redis.Redis(port=other.port)) as new:
                new.replicaof("NO", "ONE")
            store.client.replicaof("127.0.0.1", str(free_port()))  # it lives on, and learns nothing
            leading = Store.open(other.url, "reelqueue")
            verbs.cancel(leading, [record(leading, job)])
            leading.client.close()
            assert summary(settings).startswith("1 cancelled")
            assert watching.process.wait(30) == 3
