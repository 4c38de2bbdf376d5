"""Answers that no decent provider gives, for ever: batches still end, no job sinks another."""

import json
from decimal import Decimal
from typing import Any

import pytest
from core_driver import Rig, audit, copied, error, row, taken_over
from odd_provider import accept, data, errors, provider, result, run_on, turned
from simulator_driver import wait_until

from tasks import quarantine, reading, reading_results, steps, timing
from tasks.job import State
from tasks.store import Store

pytestmark = pytest.mark.one_store


def test_fewer_results_than_asked_for_are_all_there_are_once_the_deadline_has_passed(
    store: Store,
) -> None:
    with provider(lambda tasks: data(*(result(task) for task in tasks))) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=0.5)
        (job,) = rig.queue(row(numberResults=3))
        rig.run()
        assert rig.only().state is State.PARTIAL
        assert rig.texts(job, 1) == ["seen"]
        assert rig.only().cost == 500_000_000


def test_one_unreadable_result_does_not_sink_the_poll_of_the_others(store: Store) -> None:
    def poll(tasks: list[dict[str, Any]]) -> str:
        broken = [task["taskUUID"] == bad for task in tasks]
        return data(
            *(result(t, cost="NaN" if b else "0.5") for t, b in zip(tasks, broken, strict=True))
        )

    with provider(poll) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60)
        bad, *good = rig.queue(*(row(f"Row {n}") for n in range(7)))
        rig.run(lambda: all(one.state is State.COMPLETED for one in rig.records()[1:]))
        assert rig.records()[0].state is State.PROCESSING
        batch = reading.batches(store)[0]
        assert Decimal(batch.cost) == 500_000_000 * len(good)


def test_a_page_that_is_no_answer_is_no_news_of_any_task(store: Store) -> None:
    asked: list[int] = []

    def poll(tasks: list[dict[str, Any]]) -> str:
        asked.append(len(tasks))
        return "<html>Sign in to the network</html>"

    with provider(poll) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=0.2, REELQUEUE_RESOLVE_AFTER=0.1)
        jobs = rig.queue(row(), row("Another"))
        rig.turn()
        sent = rig.records()[0].submitted_at or 0
        wait_until(lambda: _now_ms(store) > sent + 400)
        store.client.zadd(store.keys("due"), dict.fromkeys(jobs, 1), xx=True)
        rig.turn()
        assert sum(asked) >= len(jobs)
        assert {one.state for one in rig.records()} == {State.PROCESSING}


def _now_ms(store: Store) -> float:
    seconds, micro = store.client.time()
    return float(seconds * 1000 + micro / 1000)


def test_an_unknown_error_of_a_poll_is_the_tasks_own_once_a_callback_has_accused_it(
    store: Store,
) -> None:
    def poll(tasks: list[dict[str, Any]]) -> str:
        told = {"taskType": "getResponse", "code": "upstreamFlaked", "message": "no"}
        return json.dumps({"errors": [{**told, "taskUUID": task["taskUUID"]} for task in tasks]})

    with provider(poll) as url:
        rig = Rig(store, url, REELQUEUE_MAX_ATTEMPTS=1)
        jobs = rig.queue(row(), row("Another"))
        rig.turn()
        for _ in range(5):
            store.client.zadd(store.keys("due"), dict.fromkeys(jobs, 1), xx=True)
            rig.turn()
        assert {one.state for one in rig.records()} == {State.PROCESSING}, "it may be the poll's"
        accuse = {"taskUUID": jobs[0], "status": "error", "code": "upstreamFlaked"}
        assert steps.receive(store, jobs[0], json.dumps(accuse).encode()) == "known"
        for _ in range(5):
            store.client.zadd(store.keys("due"), dict.fromkeys(jobs, 1), xx=True)
            rig.turn()
        assert [one.state for one in rig.records()] == [State.FAILED, State.PROCESSING]


@pytest.mark.parametrize("told_later", [True, False])
def test_the_cost_that_no_callback_named_is_asked_for_once(
    store: Store, *, told_later: bool
) -> None:
    asked: list[str] = []

    def poll(tasks: list[dict[str, Any]]) -> str:
        asked.extend(task["taskUUID"] for task in tasks)
        cost = "0.5" if told_later else "null"
        return data(*(result(task, text, cost) for task in tasks for text in ("one", "two")))

    with provider(poll) as url:
        rig = Rig(store, url)
        (job,) = rig.queue(row(numberResults=2))
        steps.submit(rig.context)
        for text, cost in (("one", "0.5"), ("two", "null")):
            assert (
                steps.receive(store, job, result({"taskUUID": job}, text, cost).encode())
                == "stored"
            )
        assert (rig.only().state, rig.only().cost) == (State.COMPLETED, 500_000_000)
        due = store.keys("due")
        wait_until(lambda: rig.turn() or not store.client.zcard(due))
        assert asked == [job]
        assert rig.only().cost == (1_000_000_000 if told_later else 500_000_000)
        assert (rig.only().state, rig.only().flags) == (State.COMPLETED, frozenset())


def test_the_cost_that_came_with_no_result_of_a_partial_job_is_asked_for(store: Store) -> None:
    costs = iter(("null", "null", "0.5"))

    def poll(tasks: list[dict[str, Any]]) -> str:
        (task,) = tasks
        told = result(task, "one", next(costs))
        return f"{data(told)[:-1]},{errors(tasks, 'providerError')[1:]}"

    with provider(poll) as url:
        rig = Rig(store, url)
        (job,) = rig.queue(row(numberResults=2))
        rig.run()
        assert (rig.only().state, rig.only().cost) == (State.PARTIAL, 0)
        due = store.keys("due")
        wait_until(lambda: rig.turn() or rig.only().cost, 15)
        assert rig.only().cost == 500_000_000
        assert (rig.only().state, rig.only().flags) == (State.PARTIAL, frozenset())
        assert rig.texts(job, 1) == ["one"]
        wait_until(lambda: turned(rig) or not store.client.zcard(due))
        audit(store, [job])


def test_a_cost_that_only_the_second_delivery_names_is_counted(store: Store) -> None:
    with provider(lambda _: data()) as url:
        rig = Rig(store, url)
        (job,) = rig.queue(row())
        steps.submit(rig.context)
        for cost in ("null", "0.5", "0.5"):
            steps.receive(store, job, result({"taskUUID": job}, "one", cost).encode())
        assert rig.only().cost == 500_000_000
        audit(store, [job])


def test_an_empty_text_that_a_callback_leaves_out_is_the_same_result(store: Store) -> None:
    def poll(tasks: list[dict[str, Any]]) -> str:
        (task,) = tasks
        told = data(result(task, ""), result(task, "one"))
        return f"{told[:-1]},{errors(tasks, 'providerError')[1:]}"

    with provider(poll) as url:
        rig = Rig(store, url)
        (job,) = rig.queue(row(numberResults=3))
        steps.submit(rig.context)
        for text in ('""', "null", '"one"'):
            told = result({"taskUUID": job}, "TEXT").replace('"TEXT"', text)
            steps.receive(store, job, told.encode())
        rig.run()
        assert (rig.only().state, rig.only().cost) == (State.PARTIAL, 1_000_000_000)
        assert rig.only().flags == frozenset()


def test_a_callback_told_differently_does_not_stand_for_the_result_that_still_runs(
    store: Store,
) -> None:
    ready = ["first"]

    def poll(tasks: list[dict[str, Any]]) -> str:
        running = {"taskType": "textInference", "status": "processing"}
        rest = [json.dumps({**running, **task, "taskType": "textInference"}) for task in tasks]
        told = [result(task, text) for task in tasks for text in ready]
        return data(*told, *(rest if len(ready) == 1 else []))

    with provider(poll) as url:
        rig = Rig(store, url)
        (job,) = rig.queue(row(numberResults=2))
        rig.turn()
        callback = json.loads(result({"taskUUID": job}, "first, in other words"))
        assert steps.receive(store, job, json.dumps(callback).encode()) == "stored"
        rig.run(lambda: reading_results.results(store, [(rig.only(), 1)])[0])
        for _ in range(3):
            rig.turn()
        assert rig.only().state is State.PROCESSING
        ready.append("second")
        rig.run()
        assert rig.texts(job, 1) == ["first", "second"]
        assert rig.only().cost == 1_000_000_000


def test_a_late_callback_told_differently_is_kept_beside_the_table(store: Store) -> None:
    with provider(lambda tasks: data(*(result(task) for task in tasks))) as url:
        rig = Rig(store, url)
        (job,) = rig.queue(row())
        rig.run()
        late = result({"taskUUID": job}, "seen, in other words", "99").encode()
        assert steps.receive(store, job, late) == "stored"
        assert rig.texts(job, 1) == ["seen"]
        assert rig.only().cost == 500_000_000
        assert [item.raw["text"] for item in reading_results.surplus(store, rig.only(), 1)] == [
            "seen, in other words"
        ]


def test_an_error_of_the_task_is_believed_under_a_status_of_the_poll_once_it_stands(
    store: Store,
) -> None:
    def poll(tasks: list[dict[str, Any]]) -> str:
        error = {"code": "timeoutProvider", "message": "m", "status": "error"}
        return json.dumps({"data": [], "errors": [{**error, **task} for task in tasks]})

    with provider(lambda tasks: poll([{"taskUUID": t["taskUUID"]} for t in tasks]), 429) as url:
        rig = Rig(store, url, REELQUEUE_MAX_ATTEMPTS=1)
        rig.queue(row())
        rig.run()
        assert rig.only().state is State.FAILED
        polls = [e.times for e in reading.history(store, rig.jobs[0]) if e.what == "poll"]
        assert sum(polls) >= 2


def test_an_error_of_nobody_in_every_answer_does_not_keep_a_job_beyond_its_deadline(
    store: Store,
) -> None:
    nobody = json.dumps({"data": [], "errors": [{"code": "odd", "message": "m"}]})
    with provider(lambda _: nobody) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=0.3)
        jobs = rig.queue(row())
        rig.turn()
        sent = rig.only().submitted_at or 0
        wait_until(lambda: _now_ms(store) > sent + 500)
        for state in (State.PROCESSING, State.PROCESSING, State.EXPIRED):
            store.client.zadd(store.keys("due"), dict.fromkeys(jobs, 1), xx=True)
            rig.turn()
            assert rig.only().state is state, "one such answer alone ends nothing"


def test_a_result_that_nobody_can_read_does_not_keep_its_batch_open_beyond_the_deadline(
    store: Store,
) -> None:
    with provider(lambda tasks: data(*(result(t, cost="NaN") for t in tasks))) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=0.3)
        jobs = rig.queue(row(), row("Another"))
        run_on(rig)
        assert {one.state for one in rig.records()} == {State.EXPIRED}
        unread = list(quarantine.kept(store))
        assert {kept.job for kept in unread} == {*jobs}
        assert all(kept.job.encode() in kept.body and b"NaN" in kept.body for kept in unread)


@pytest.mark.parametrize("status", [200, 400, 404])
def test_that_a_task_is_not_there_needs_no_name_where_it_was_asked_for_alone(
    store: Store, status: int
) -> None:
    posts: list[int] = []

    def submit(tasks: list[dict[str, Any]]) -> tuple[int, str]:
        posts.append(len(tasks))
        return accept(tasks) if len(posts) > 1 else (500, "")

    def poll(tasks: list[dict[str, Any]]) -> str:
        if len(posts) > 1:
            return data(*map(result, tasks))
        return json.dumps({"errors": [{"code": "taskNotFound", "message": "Not found."}]})

    def answered(tasks: list[dict[str, Any]]) -> tuple[int, str]:
        return (200 if len(posts) > 1 else status), poll(tasks)

    with provider(answered, submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_RESOLVE_AFTER=0.1)
        rig.queue(row())
        run_on(rig)
        assert rig.only().state is State.COMPLETED
        assert len(posts) == 2


@pytest.mark.parametrize("code", ["conflictTaskUUID", "webhookTimeout", "taskNotFound"])
def test_what_ends_no_task_buys_none_again_when_a_callback_tells_it_and_polls_are_silent(
    store: Store, code: str
) -> None:
    with provider(lambda _: data()) as url:
        rig = Rig(store, url)
        (job,) = rig.queue(row())
        rig.turn()
        store.deliver(job, [error(job, code)])
        for _ in range(timing.ACCUSED_EMPTIES + 2):
            store.client.zadd(store.keys("due"), {job: 1}, xx=True)
            rig.turn()
        assert (rig.only().state, rig.only().attempt) == (State.PROCESSING, 1)


def test_a_provider_that_answers_for_the_first_task_alone_loses_no_other(store: Store) -> None:
    posts = list[str]()

    def submit(tasks: list[dict[str, Any]]) -> tuple[int, str]:
        posts.extend(task["taskUUID"] for task in tasks)
        return 500, ""

    with provider(lambda tasks: data(result(tasks[0])), submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_RESOLVE_AFTER=0.1, REELQUEUE_DEADLINE=0.5)
        rig.queue(*(row(f"Row {n}") for n in range(5)))
        run_on(rig)
        assert {one.state for one in rig.records()} == {State.COMPLETED}
        assert len(posts) == len(set(posts)) == 5, "what was passed over was bought again"


def test_a_provider_that_answers_for_the_first_task_alone_is_sold_no_lost_history_again(
    store: Store,
) -> None:
    posts = list[str]()

    def submit(tasks: list[dict[str, Any]]) -> tuple[int, str]:
        posts.extend(task["taskUUID"] for task in tasks)
        return accept(tasks)

    def poll(tasks: list[dict[str, Any]]) -> str:
        return data(*(result(task) for task in tasks[:1] if task["taskUUID"] in posts))

    with provider(poll, submit=submit) as url:
        rig = Rig(store, url)
        rig.queue(*(row(f"Row {n}") for n in range(4)))
        before = copied(rig)
        steps.submit(rig.context)
        taken_over(rig, before)
        run_on(rig)
        assert {one.state for one in rig.records()} == {State.COMPLETED}
        assert len(posts) == len(set(posts)) == 4
