"""The verbs retry, pause, resume, cancel, priority, as commands on a store where nothing runs."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from core_driver import (
    SECRET,
    asked,
    audit,
    bring_to,
    error,
    queue,
    record,
    row,
    success,
    take,
    verdict,
)
from store_driver import StoreServer

from batches.advice import advice
from batches.journal import Journal
from batches.queueing import Queueing
from batches.row import Rules, read_row
from console.main import main
from tasks import ids, reading_requests, reading_results, verbs
from tasks.job import State
from tasks.money import NANO
from tasks.store import Store

pytestmark = pytest.mark.one_store

Run = Callable[..., Result]


@pytest.fixture
def run(valkey: StoreServer, namespace: str) -> Run:
    """Run a verb within this process, which takes a tenth of the time; input is no terminal."""
    env = {
        "REDIS_URL": valkey.url,
        "REELQUEUE_NAMESPACE": namespace,
        "REELQUEUE_INSTALLATION_SECRET": SECRET.decode(),
    }

    def run_one(*args: str) -> Result:
        done = CliRunner(env=env).invoke(main, args)
        assert done.exception is None or isinstance(done.exception, SystemExit)
        assert done.stdout == "" or args[0] in {"job", "status"}
        return done

    return run_one


def custom_id(store: Store, job: str) -> str:
    return reading_requests.requests_of(store, [(job, record(store, job).batch)])[0].custom_id


def ended(store: Store, codes: list[str]) -> list[str]:
    """Queue a job per code and let it fail with that; an empty one completes."""
    jobs = list[str](queue(store, *[row() for _ in codes], name="mix"))
    store.client.hset(store.keys("meta"), "window", 1000)
    token, _ = take(store)
    with store.moves() as moves:
        for job, code in zip(jobs, codes, strict=True):
            if code:
                moves.reject(job, token, code, "no")
    for job, code in zip(jobs, codes, strict=True):
        if not code:
            store.deliver(job, [success(job)])
    return jobs


def states(store: Store, jobs: list[str]) -> list[State]:
    return [record(store, job).state for job in jobs]


def test_retry_says_what_it_retries_and_what_it_may_cost(store: Store, run: Run) -> None:
    jobs = ended(store, ["providerTimeout", "providerTimeout", "invalidValue", ""])
    done = run("retry", "mix")
    assert done.exit_code == 0
    assert done.stderr.splitlines() == [
        "3 jobs of batch mix:",
        "       2  providerTimeout",
        "       1  invalidValue",
        "Each may be billed again: output for at most 0.000000066 USD, and input.",
        "3 jobs of batch mix queued again",
        "nothing is running: reelqueue up",
    ]
    assert states(store, jobs) == [State.QUEUED] * 3 + [State.COMPLETED]
    audit(store, jobs)


@pytest.mark.parametrize(
    ("options", "retried"),
    [
        (("--class", "timeout"), [0]),
        (("--code", "invalidValue", "--code", "promptBlocked"), [1, 2]),
        (("--partial",), []),
    ],
)
def test_retry_takes_those_that_its_options_name(
    store: Store, run: Run, options: tuple[str, ...], retried: list[int]
) -> None:
    jobs = ended(store, ["providerTimeout", "invalidValue", "promptBlocked"])
    done = run("retry", "mix", *options)
    assert done.exit_code == 0
    queued = [n for n, state in enumerate(states(store, jobs)) if state is State.QUEUED]
    assert queued == retried
    assert retried or "nothing to retry of batch mix: 3 failed" in done.stderr


def test_rows_are_retried_by_their_names_however_they_ended(
    store: Store, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    failed, complete, waiting = ended(store, ["invalidValue", "", "promptBlocked"])
    names = [custom_id(store, job) for job in (failed, complete, failed)]
    listed = tmp_path_factory.mktemp("ids") / "ids.txt"
    listed.write_bytes(("\ufeff" + "\r\n".join(names) + "\n\n").encode())
    done = run("retry", "mix", "--ids-from", str(listed), "--yes")
    assert done.exit_code == 0
    assert "1 job of batch mix queued again" in done.stderr
    assert "Left as they are: 1 completed" in done.stderr
    assert states(store, [failed, complete, waiting]) == ["queued", "completed", "failed"]
    assert "nothing to retry: 1 queued" in run("retry", "--job", failed).stderr


def partial(store: Store) -> str:
    """Queue a job for four results and let it end with three and a providerError."""
    (job,) = queue(store, row(numberResults=4, seed=7), name="mix")
    token, _ = take(store)
    with store.moves() as moves:
        moves.acknowledge(job, token, 60, "")
    ask, told = asked(store, job), [success(job, str(n)) for n in range(3)]
    with store.moves() as moves:
        moves.join(ask, 0, 60, "", verdict(*told, error(job), final=True))
    return job


def test_what_is_advised_for_an_error_retries_the_partial_jobs_that_have_it(
    store: Store, run: Run
) -> None:
    job = partial(store)
    assert "nothing to retry of batch mix: 1 partial" in run("retry", "mix").stderr
    assert "1 partial" in run("retry", "mix", "--failed", "--code", "providerError").stderr
    command = advice("providerError", "mix").partition(": reelqueue ")[2]
    assert "1 job of batch mix queued again" in run(*shlex.split(command)).stderr
    assert record(store, job).state is State.QUEUED
    assert take(store)[1][0].lacking == 1


def test_a_partial_job_is_retried_for_what_it_lacks(store: Store, run: Run) -> None:
    partial(store)
    done = run("retry", "mix", "--all", "--code", "providerError")
    assert "1  providerError" in done.stderr
    # A quarter of 7, half as much again behind a long prompt, rounded up, twice.
    assert "output for at most 0.000000006 USD" in done.stderr
    assert "1 of them: missing results under a fixed seed" in done.stderr
    assert take(store)[1][0].lacking == 1


def test_a_retry_says_that_the_earlier_task_may_still_be_billed(store: Store, run: Run) -> None:
    (job,) = queue(store, row(numberResults=2), name="mix")
    bring_to(store, job, State.EXPIRED)
    assert "may still finish an earlier task of 1 of them" in run("retry", "mix").stderr


def test_rows_whose_files_were_not_uploaded_are_left_to_their_manifest(
    store: Store, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("media").resolve()
    (folder / "a.mp4").write_bytes(b"x")
    rules = Rules(roots=(folder,))
    media = {"local": "a.mp4", "linked": "https://x.example/a.mp4"}
    rows = [
        read_row(1, {"custom_id": name, "prompt": "What?", "video": video}, rules)[0]
        for name, video in media.items()
    ]
    Queueing(store, Journal(folder), SECRET, "mix").queue(rows, lambda _: None)
    token, claimed = take(store)
    local, linked = (job.id for job in claimed)
    with store.moves() as moves:
        for job in (local, linked):
            moves.reject(job, token, "uploadFailed", "a.mp4 was refused")
    done = run("retry", "mix")
    assert done.exit_code == 0
    left = "1 job left alone, for a local file could not be uploaded: submit the same manifest"
    assert "1 job of batch mix:" in done.stderr
    assert left in done.stderr
    assert states(store, [local, linked]) == [State.FAILED, State.QUEUED]
    assert reading_results.failures(store, [local]) == [("uploadFailed", "a.mp4 was refused")]
    named = run("retry", "mix", "--id", "local").stderr
    assert "nothing to retry of batch mix: 1 without their files" in named
    assert left in named


def test_a_parked_job_is_released_by_the_users_word(store: Store, run: Run) -> None:
    (job,) = queue(store, row(), name="mix")
    bring_to(store, job, State.RESOLVING)
    ask = asked(store, job)
    with store.moves() as moves:
        moves.park(ask, 600, ("unresolved", "nobody knows"))
    assert "1 parked" in run("retry", "mix").stderr  # not by default
    assert "1 job queued again" in run("retry", "--job", job).stderr
    assert take(store)[1][0].task_uuid == job


def test_cancel_says_what_is_billed_and_retry_takes_it_up_again(store: Store, run: Run) -> None:
    jobs = queue(store, *[row() for _ in range(205)], name="mix")
    take(store, 3)
    verbs.hold(store, "batch_mix", "why")
    done = run("cancel", "mix")
    assert done.exit_code == 0
    whole, unsent, sent, remark = done.stderr.splitlines()
    assert whole == "205 jobs of batch mix cancelled"
    assert unsent == "202 not at the provider: nothing more is billed for them"
    assert sent.startswith(
        "3 at the provider, or perhaps: it cannot be told to stop and bills what"
    )
    assert remark == "nothing is running to collect what is at the provider: reelqueue up"
    audit(store, jobs)
    assert "nothing to cancel of batch mix: no open job" in run("cancel", "mix").stderr
    again = run("retry", "mix", "--cancelled")
    assert "205 jobs of batch mix queued again" in again.stderr
    assert "PAUSED: why" in again.stderr
    audit(store, jobs)


def test_a_cancelling_that_was_killed_is_completed_by_the_same_command(
    store: Store, run: Run
) -> None:
    jobs = queue(store, *[row() for _ in range(150)], name="mix")
    verbs.cancel_batch(store, "batch_mix")
    verbs.cancel_pass(store)
    refused = run("retry", "mix", "--all")
    assert refused.exit_code == 1
    assert "batch mix is being cancelled" in refused.stderr
    assert "150 jobs of batch mix cancelled" in run("cancel", "mix").stderr
    audit(store, jobs)


def test_single_jobs_are_cancelled_and_others_left(store: Store, run: Run) -> None:
    job, other = queue(store, row(), row(), name="mix")
    done = run("cancel", "mix", "--id", custom_id(store, job))
    assert "1 job of batch mix cancelled" in done.stderr
    assert states(store, [job, other]) == ["cancelled", "queued"]
    assert "1 job cancelled" in run("cancel", "--job", other).stderr


def test_what_was_not_queued_yet_of_a_cancelled_batch_stays_out(store: Store, run: Run) -> None:
    store.open_batch("mix", "batch_mix", 1)
    assert "stays out" in run("cancel", "mix").stderr


def test_pause_and_resume_say_what_they_do(store: Store, run: Run) -> None:
    queue(store, row(), name="mix")
    done = run("pause", "mix", "--reason", "the \x1b[31mbill")
    assert "batch mix is paused (1 queued); reelqueue resume mix goes on" in done.stderr
    assert "\x1b" not in store.client.hget(store.keys("batch", "batch_mix"), "held").decode()
    assert "all batches are paused" in run("pause", "--all").stderr
    one = run("resume", "mix").stderr
    assert "batch mix goes on" in one
    assert "all batches are paused, this one too: no reason given" in one
    assert take(store)[1] == ()
    run("pause", "mix")
    every = run("resume", "--all").stderr
    assert "all batches go on" in every
    assert "paused by its name: mix; reelqueue resume mix" in every
    assert "batch mix goes on" in run("resume", "mix").stderr
    assert len(take(store)[1]) == 1


def test_resume_all_ends_what_the_provider_paused(store: Store, run: Run) -> None:
    queue(store, row(), name="mix")
    store.pause("batch_mix", "no credit", 3600)
    assert "all batches go on" in run("resume", "--all").stderr
    assert len(take(store)[1]) == 1


def test_a_batch_that_its_limit_stops_is_told_so_by_status_and_by_resume(
    store: Store, run: Run
) -> None:
    (job,) = queue(store, row(), name="mix")
    store.client.hset(store.keys("job", job), "rv", NANO)
    store.budget("batch_mix", NANO // 4, NANO // 4)
    assert take(store)[1] == ()
    why = "stopped by --max-cost 0.25: 0 USD spent, and the next job may cost up to 1.25. Go on:"
    assert f"\n  {why} submit the same manifest again" in run("status", "mix").stdout
    run("pause", "mix")
    for _ in ("paused", "not paused"):
        told = run("resume", "mix").stderr
        assert told.startswith(f"batch mix is {why}")
        assert "goes on" not in told
        assert "was not paused" not in told


@pytest.mark.parametrize(("limit", "said"), [(NANO, 1), (1000 * NANO, 0)])
def test_retry_says_that_the_limit_of_a_batch_may_stop_it(
    store: Store, run: Run, limit: int, said: int
) -> None:
    (job,) = queue(store, row(), name="mix")
    store.client.hset(store.keys("job", job), "rv", NANO)
    store.budget("batch_mix", limit, 0)
    assert run("cancel", "mix", "--yes").exit_code == 0
    told = run("retry", "mix", "--cancelled").stderr
    assert told.count("--max-cost 1 may stop some of them: 0 USD spent. Submit") == said
    assert "1 job of batch mix queued again" in told
    audit(store, [job])


def test_a_batch_whose_submission_broke_off_is_told_so_by_status_and_by_resume(
    store: Store, run: Run
) -> None:
    store.open_batch("mix", "batch_mix", 1)
    told = "not all of its rows are recorded yet; the same submit again completes it\n"
    assert f"\n  {told}" in run("status", "mix").stdout
    assert f"\n{told}" in run("resume", "mix").stderr
    verbs.cancel_batch(store, "batch_mix")
    assert "not all of its rows" not in run("status", "mix").stdout


@pytest.mark.parametrize("name", ["-x", "--", "..", "batch_0123456789abcdef0123"])
def test_batches_of_names_that_are_given_no_more_are_found_by_theirs(
    store: Store, run: Run, name: str
) -> None:
    queue(store, row(), name=name)
    assert run("status", "--", name).stdout.startswith(f"{name} in_progress")
    assert f"batch {name} is paused" in run("pause", "--reason", "why", "--", name).stderr
    assert f"1 job of batch {name} cancelled" in run("cancel", "--", name).stderr


def test_priority_tells_the_old_one(store: Store, run: Run) -> None:
    queue(store, row(), name="mix")
    assert "batch mix has priority 10, had 1" in run("priority", "mix", "10").stderr


def test_a_job_tells_of_its_attempts_for_the_rest_and_why_it_waits(store: Store, run: Run) -> None:
    (job,) = queue(store, row(numberResults=2), name="mix")
    bring_to(store, job, State.PARTIAL)
    verbs.retry(store, SECRET, [record(store, job)])
    verbs.hold(store, "batch_mix", "the bill")
    shown = run("job", job).stdout
    assert "for the 1 that attempt 1 left missing" in shown
    assert "It waits because nothing of its batch is sent: paused: the bill." in shown
    told = json.loads(run("job", job, "--json").stdout)
    assert [(a["expected"], a["beside"]) for a in told["attempts"]] == [(2, None), (1, job)]
    assert told["attempts"][1]["task_uuid"] == ids.attempt_uuid(SECRET, job, 2)


def test_a_job_is_shown_by_its_name_as_it_is_and_its_error_too(
    store: Store, run: Run, tmp_path: Path
) -> None:
    name, said = "clip[bold]7[/]\\", "see [/videos] \x1b[2J[red]for\u202e help"
    read, _ = read_row(1, {"custom_id": name, "prompt": "What?"})
    Queueing(store, Journal(tmp_path), SECRET, "odd").queue([read], lambda _: None)
    token, (claimed, *_) = take(store)
    with store.moves() as moves:
        moves.reject(claimed.id, token, "invalid[x]", said)
    shown = run("job", name, "--batch", "odd").stdout
    assert shown.startswith(f"{name}   failed")
    assert "last error: invalid[x]: see [/videos] [red]for help" in shown
    assert "\\[" not in shown


@pytest.mark.parametrize(
    "args",
    [
        ("retry",),
        ("retry", "--job", "x", "y"),
        ("cancel",),
        ("cancel", "--job", "x", "y"),
        ("cancel", "--job", "x", "--id", "y"),
        ("pause",),
        ("resume", "mix", "--all"),
        ("prune",),
        ("results", "mix", "-o", "x.csv", "--failed"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_told_before_a_store_is_asked_for(
    args: tuple[str, ...], tmp_path: Path
) -> None:
    done = CliRunner(env={"REELQUEUE_DATA_DIR": str(tmp_path)}).invoke(main, args)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Usage: main" in done.stderr


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (("retry", "nobody"), 1, "there is no batch 'nobody'"),
        (("retry", "mix", "--id", "nope", "--id", "nope"), 1, "no row 'nope'; nothing was done"),
        (("cancel", "--job", "nope"), 1, "there is no job 'nope'; nothing was done"),
        (("retry", "mix", "--job", "nope"), 2, "give it without NAME and --id"),
        (("resume", "\udcff"), 1, "there is no batch"),
        (("prune", "mix", "\udcff"), 1, "there is no batch"),
        (("retry", "--job", "\udcff"), 1, "there is no job"),
        (("job", "\udcff"), 1, "there is no job"),
        (("cancel",), 2, "give the batch's NAME, or --job ID"),
        (("cancel", "mix", "--ids-from", "-"), 1, "standard input names no row"),
        (("cancel", "mix", "--ids-from", "/proc/nowhere"), 1, "cannot read /proc/nowhere"),
        (("cancel", "mix", "--ids-from", "/proc/self/exe"), 1, "/proc/self/exe, line 1: "),
        (("retry", "mix", "--class", "wrong"), 2, "'wrong' is not one of 'auth'"),
        (("pause", "mix", "--all"), 2, "give either the batch's NAME or --all"),
        (("resume",), 2, "give either the batch's NAME or --all"),
        (("pause", "mix", "--reason", "x" * 201), 2, "201 characters; at most 200"),
        (("priority", "mix", "101"), 2, "101 is not in the range"),
    ],
    ids=lambda value: "-".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_told_in_a_sentence_and_changes_nothing(
    store: Store, run: Run, args: tuple[str, ...], code: int, told: str
) -> None:
    (job,) = queue(store, row(), name="mix")
    done = run(*args)
    assert done.exit_code == code
    assert told in done.stderr
    assert record(store, job).state is State.QUEUED
    assert len(take(store)[1]) == 1
