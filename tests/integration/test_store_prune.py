"""Removing a batch that is over: nothing of it stays but what protects the user's money."""

import json
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result
from core_driver import (
    LOG,
    SECRET,
    asked,
    bring_to,
    error,
    queue,
    record,
    row,
    success,
    take,
    verdict,
)
from store_driver import StoreServer, free_port

from batches.journal import Journal
from batches.manifest import manifest_at
from batches.problems import BadManifest
from batches.queueing import Queueing
from batches.row import read_row
from console.main import main
from tasks import ids, pruning, reading, verbs
from tasks.callers import Call, record_call
from tasks.claims import failure
from tasks.errors import StoreAway
from tasks.job import State
from tasks.reading import Batch
from tasks.store import Store
from tasks.sweep import sweep
from tasks.token import LIFETIME

pytestmark = pytest.mark.one_store

BATCH = "batch_batch"


@pytest.fixture
def run(valkey: StoreServer, namespace: str) -> Callable[..., Result]:
    env = {
        "REDIS_URL": valkey.url,
        "REELQUEUE_NAMESPACE": namespace,
        "REELQUEUE_INSTALLATION_SECRET": SECRET.decode(),
    }

    def run_one(*args: str, data_dir: Path | None = None) -> Result:
        verb = [] if args[:1] == ("submit",) else ["prune"]
        more = {"REELQUEUE_DATA_DIR": str(data_dir)} if data_dir else {}
        return CliRunner(env=env | more).invoke(main, [*verb, *args])

    return run_one


def keys(store: Store) -> set[str]:
    return {key.decode() for key in store.client.keys(f"{store.keys.namespace}:*")}


def the_batch(store: Store, name: str = "batch") -> Batch:
    found = reading.batch_named(store, name)
    assert found
    return found


def completed(store: Store, count: int, name: str = "batch") -> list[str]:
    """Queue and complete a batch, and settle it."""
    jobs: list[str] = queue(store, *[row(f"{name} {n}") for n in range(count)], name=name)
    complete(store, jobs)
    return jobs


def complete(store: Store, jobs: list[str]) -> None:
    """Claim and complete all that waits, and settle it."""
    store.client.hset(store.keys("meta"), "window", 10_000)
    while (claimed := take(store))[1]:
        token, some = claimed
        with store.moves() as moves:
            for job in some:
                moves.acknowledge(job.id, token, 60.0, "")
    with store.moves() as moves:
        for job in jobs:
            moves.join(asked(store, job), 0, 1.0, "", verdict(success(job), final=True))
    store.client.delete(store.keys("ends"), store.keys("shown"))


def give_up(store: Store, batch: str) -> None:
    """Cancel a batch, and settle it."""
    verbs.cancel_batch(store, batch)
    while (step := verbs.cancel_pass(store, batch)) and not step.over:
        pass
    store.client.delete(store.keys("ends"), store.keys("shown"))


def test_not_one_key_of_it_stays_but_tombstones(store: Store) -> None:
    before = keys(store) | {store.keys("counts"), store.keys("meta"), store.keys("nudge")}
    jobs = completed(store, 250)
    store.quarantine(jobs[0], "digest", b"odd")
    cost = int(store.client.hget(store.keys("counts"), "cost"))
    assert list(pruning.pages(store, the_batch(store))) == [100, 100, 50]
    assert keys(store) - before == {store.keys("tombstone", job) for job in jobs}
    assert all(store.client.ttl(store.keys("tombstone", job)) > 86_000 for job in jobs)
    assert reading.batches(store) == []
    counts = store.client.hgetall(store.keys("counts"))
    assert (int(counts[b"n:completed"]), int(counts[b"cost"])) == (0, cost)


def test_a_tombstone_stays_until_the_callback_tokens_of_its_job_expire(store: Store) -> None:
    (job,) = queue(store, row())
    store.claim(1, 3600, "", "k1", LIFETIME)
    complete(store, [job])
    list(pruning.pages(store, the_batch(store)))
    assert store.client.ttl(store.keys("tombstone", job)) > LIFETIME - 86_400


def test_an_interrupted_one_is_completed_by_the_same_again(store: Store) -> None:
    completed(store, 250)
    next(pruning.pages(store, the_batch(store)))
    assert list(pruning.pages(store, the_batch(store))) == [100, 50]


def test_a_job_of_several_attempts_goes_with_all_of_them(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.FAILED)
    assert verbs.retry(store, SECRET, [record(store, job)]) == ["moved"]
    verbs.cancel(store, [record(store, job)])
    store.client.delete(store.keys("ends"), store.keys("slots"))
    assert list(pruning.pages(store, the_batch(store))) == [1]
    assert not [key for key in keys(store) if ":t:" in key or ":j:" in key]


def test_a_batch_with_open_jobs_stays_whole(store: Store) -> None:
    queue(store, row())
    before = keys(store)
    with pytest.raises(pruning.NotOver, match="reelqueue cancel batch"):
        pruning.page(store, the_batch(store))
    assert keys(store) == before


def test_a_batch_with_an_ending_that_is_not_settled_stays(store: Store) -> None:
    completed(store, 1)
    store.client.xadd(store.keys("ends"), {"job": "x"}, id="1-1")
    with pytest.raises(pruning.NotOver, match="settled"):
        pruning.page(store, the_batch(store))


def test_a_batch_of_which_the_provider_may_still_bill_a_job_stays(store: Store) -> None:
    jobs = queue(store, row(), row())
    bring_to(store, jobs[1], State.PROCESSING)
    verbs.cancel(store, [record(store, job) for job in jobs])
    store.client.delete(store.keys("ends"))
    with pytest.raises(pruning.NotOver, match="still work on a job"):
        pruning.page(store, the_batch(store))
    assert record(store, jobs[0]).state is State.CANCELLED


def test_a_job_that_is_looked_for_without_a_slot_is_not_pruned_before_its_time_is_over(
    store: Store,
) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.RESOLVING)
    verbs.cancel(store, [record(store, job)])
    ask = asked(store, job)
    with store.moves() as moves:
        moves.snooze(ask, 0, 600, "absent")  # silent for long: it needs no slot any more
    store.client.delete(store.keys("ends"))
    assert store.window()[1] == 0
    with pytest.raises(pruning.NotOver, match="still work on a job"):
        pruning.page(store, the_batch(store))
    assert store.deliver(job, [success(job)]) == "stored"
    store.client.hset(store.keys("job", job), "cu", 1)
    store.client.delete(store.keys("ends"))
    assert pruning.page(store, the_batch(store)) == 1


def test_a_batch_stays_while_it_is_asked_what_a_job_cost(store: Store) -> None:
    (job,) = queue(store, row())
    bring_to(store, job, State.PROCESSING)
    store.deliver(job, [success(job, cost=None)])
    store.client.delete(store.keys("ends"))
    with pytest.raises(pruning.NotOver, match="what one cost"):
        pruning.page(store, the_batch(store))


def test_a_late_callback_of_a_pruned_job_is_known_and_keeps_nothing(store: Store) -> None:
    (job,) = completed(store, 1)
    list(pruning.pages(store, the_batch(store)))
    before = keys(store)
    assert store.deliver(job, [success(job)]) == "known"
    assert keys(store) == before


def test_the_same_manifest_again_buys_nothing_while_it_is_remembered(
    store: Store, tmp_path: Path
) -> None:
    rows = [read_row(n, {"custom_id": str(n), "prompt": "What?"})[0] for n in (1, 2)]
    queueing = Queueing(store, Journal(tmp_path), SECRET, "clips")
    queued = queueing.queue(rows, lambda _: None)
    complete(store, [ids.job_id(SECRET, queued.batch_id, one.custom_id) for one in rows])
    list(pruning.pages(store, the_batch(store, "clips")))
    with pytest.raises(BadManifest, match="2 of its rows were bought"):
        queueing.plan(rows, len(rows))
    assert queueing.queue(rows, lambda _: None).added == 0
    list(pruning.pages(store, the_batch(store, "clips")))
    for key in store.client.keys(store.keys("tombstone", "*")):
        store.client.delete(key)  # their time is over
    assert queueing.plan(rows, len(rows)).new == 2


def test_pruned_rows_of_a_batch_that_is_there_are_told_and_are_neither_new_nor_queued(
    store: Store, run: Callable[..., Result], tmp_path: Path
) -> None:
    def written(count: int) -> list[str]:
        rows = [{"custom_id": str(n), "prompt": "What?"} for n in range(count, 0, -1)]
        (tmp_path / "clips.jsonl").write_text("\n".join(map(json.dumps, rows)))
        return ["submit", str(tmp_path / "clips.jsonl")]

    def submitted(args: list[str]) -> str:
        done = run(*args, data_dir=tmp_path)
        assert done.exit_code == 0, done.stderr
        return done.stderr

    submitted(written(2))
    batch = the_batch(store, "clips").id
    complete(store, [ids.job_id(SECRET, batch, str(n)) for n in (1, 2)])
    list(pruning.pages(store, the_batch(store, "clips")))
    (tmp_path / "late.jsonl").write_text('{"custom_id": "3", "prompt": "What?"}\n')
    submitted(["submit", str(tmp_path / "late.jsonl"), "--name", "clips"])
    plan = Queueing(store, Journal(tmp_path), SECRET, "clips").plan(
        manifest_at(tmp_path / "late.jsonl").rows(), 1
    )
    assert (plan.new, plan.known, plan.pruned) == (0, 1, 0)
    told = submitted(written(5))
    adding = "adding 2 rows at the end of its table, 1 already known, 2 bought before and pruned"
    assert adding in told
    assert "batch clips: 2 jobs queued, 1 known before (batch_" in told
    said = "2 of its rows were bought before and pruned: they are not bought again, and"
    assert said in told
    assert "give the batch another --name" in told
    assert the_batch(store, "clips").total == 3
    told = submitted(written(5))
    assert "batch clips: 0 jobs queued, 3 known before" in told
    assert said in told


def test_rows_that_were_never_sent_are_queued_again_after_their_batch_was_pruned(
    store: Store, tmp_path: Path
) -> None:
    rows = [read_row(n, {"custom_id": str(n), "prompt": "What?"})[0] for n in (1, 2)]
    queueing = Queueing(store, Journal(tmp_path), SECRET, "clips")
    batch = queueing.queue(rows, lambda _: None).batch_id
    jobs = [ids.job_id(SECRET, batch, one.custom_id) for one in rows]
    fields = {field for job in jobs for field in store.client.hkeys(store.keys("job", job))}
    assert fields.isdisjoint((b"k", b"kp", b"ke"))  # that a token is made of
    give_up(store, batch)
    list(pruning.pages(store, the_batch(store, "clips")))
    assert not [key for key in keys(store) if key.startswith(store.keys("tombstone", ""))]
    assert queueing.plan(rows, len(rows)).new == 2
    assert queueing.queue(rows, lambda _: None).added == 2
    assert [job.id for job in take(store)[1]] == jobs


def test_of_a_batch_that_was_pruned_the_rows_that_were_sent_are_remembered_alone(
    store: Store,
) -> None:
    jobs = queue(store, row())
    bring_to(store, jobs[0], State.FAILED)
    jobs += queue(store, row(), row())
    store.deliver(jobs[1], [error(jobs[1])])  # sent in a history that the store has lost
    verbs.cancel(store, [record(store, job) for job in jobs])
    store.client.delete(*(store.keys(name) for name in ("ends", "slots", "due")))  # all is over
    assert list(pruning.pages(store, the_batch(store))) == [3]
    assert [pruning.pruned(store, [job]) for job in jobs] == [1, 1, 0]
    assert [store.deliver(job, [success(job)]) for job in jobs] == ["known", "known", "orphan"]


def test_a_celery_message_that_comes_again_after_its_job_was_pruned_is_known(store: Store) -> None:
    call = Call("none", b"{}", str(uuid4()), 1, "digest", 7, b"{}", celery_id="mine")
    assert record_call(store, "batch", 1, call, {}) == "added"
    give_up(store, the_batch(store).id)
    list(pruning.pages(store, the_batch(store)))
    assert record_call(store, "batch", 1, call, {}) == "pruned"


def test_the_sweep_prunes_what_is_over_for_longer_than_the_retention(store: Store) -> None:
    completed(store, 150, "old")
    completed(store, 1, "young")
    store.client.hset(store.keys("batch", "batch_old"), "done", 1000)
    assert [sweep(store, LOG, 3600.0) for _ in range(3)] == [100, 50, 0]
    assert [batch.name for batch in reading.batches(store)] == ["young"]


def test_the_command_says_what_it_would_do_asks_and_does_it(
    store: Store, run: Callable[..., Result]
) -> None:
    completed(store, 2, "one")
    completed(store, 3, "two")
    told = run("--older-than", "0s", "--dry-run")
    assert (told.exit_code, told.stdout) == (0, "one\ntwo\n")
    assert "2 batches, 5 jobs would be removed" in told.stderr
    assert run("one").exit_code == 2
    assert "say --yes" in run("one").stderr
    told = run("one", "--yes")
    assert "batch one: 2 jobs removed" in told.stderr
    assert run("--older-than", "1d", "--yes").stderr == "nothing to prune\n"
    assert [batch.name for batch in reading.batches(store)] == ["two"]


def given_up_at_the_provider(store: Store, name: str) -> None:
    """Queue a batch, send its job, give it up, and settle that."""
    (job,) = queue(store, row(), name=name)
    bring_to(store, job, State.PROCESSING)
    verbs.cancel(store, [record(store, job)])
    store.client.delete(store.keys("ends"), store.keys("shown"))


@pytest.mark.parametrize("args", [("--older-than", "0s"), ("open", "sent", "one", "two")])
def test_what_cannot_be_removed_is_told_and_does_not_hold_up_the_others(
    args: tuple[str, ...], store: Store, run: Callable[..., Result]
) -> None:
    completed(store, 2, "one")
    given_up_at_the_provider(store, "sent")
    completed(store, 3, "two")
    queue(store, row(), name="open")
    is_named = "open" in args
    for words in (("--dry-run",), ("--yes",)):
        told = run(*args, *words)
        assert told.exit_code == 1
        assert told.stdout == ("one\ntwo\n" if "--dry-run" in words else "")
        assert "batch sent stays: the provider may still work on a job of it" in told.stderr
        assert ("batch open stays: it has jobs that are open" in told.stderr) == is_named
        done = "2 batches, 5 jobs would be removed" if "--dry-run" in words else "one: 2 jobs rem"
        assert done in told.stderr
    left = [batch.name for batch in reading.batches(store)]
    assert sorted(left) == ["open", "sent"]
    alone = run("open", "--yes")
    assert (alone.exit_code, alone.stdout) == (1, "")
    assert alone.stderr.endswith("nothing to prune\n")


def test_an_ending_that_is_not_settled_holds_up_its_batch_alone(
    store: Store, run: Callable[..., Result]
) -> None:
    completed(store, 1, "one")
    completed(store, 1, "two")
    for name, done in (("one", 5000), ("two", 1000)):
        store.client.hset(store.keys("batch", f"batch_{name}"), "done", done)
    store.client.xadd(store.keys("ends"), {"job": "x"}, id="3000-1")
    told = run("one", "two", "--yes")
    assert told.exit_code == 1
    assert "batch one cannot be pruned: its last endings are not settled yet" in told.stderr
    assert "batch two: 1 jobs removed" in told.stderr


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        ((), 2, "names or --older-than"),
        (("a", "--older-than", "1d"), 2, "names or --older-than"),
        (("--older-than", "soon"), 2, "for example 30d"),
        (("--older-than", "-1d"), 2, "for example 30d"),
        (("known", "nobody", "--yes"), 1, "there is no batch 'nobody'"),
    ],
)
def test_what_cannot_be_done_removes_nothing(
    store: Store, run: Callable[..., Result], args: tuple[str, ...], code: int, told: str
) -> None:
    completed(store, 1, "known")
    result = run(*args)
    assert (result.exit_code, told in result.stderr) == (code, True), result.stderr
    assert reading.batch_named(store, "known")


def test_a_pruned_row_whose_file_is_gone_now_is_not_recorded_as_failed(store: Store) -> None:
    (job,) = completed(store, 1)
    assert store.scripts.run("prune", BATCH, 60) == 1
    batch = store.open_batch("batch", BATCH, 1)
    lost = failure("uploadFailed", "no")
    assert store.withhold(batch, [(job, 1, 1, "digest", 7, b"{}", lost)]) == ["known"]
    assert store.enqueue(batch, [(job, 1, 1, "digest", 7, b"{}")]) == ["known"]


def test_a_store_that_goes_away_while_removed_jobs_are_looked_for_is_told(namespace: str) -> None:
    away = Store.open(f"redis://127.0.0.1:{free_port()}/0", namespace)
    with pytest.raises(StoreAway):
        pruning.pruned(away, ["job"])
