"""Providers with ways of their own: nothing is bought twice, no job sinks another."""

import json
import time
from collections import Counter

import pytest
from core_driver import Rig, audit, error, row
from odd_provider import (
    LOST,
    Tasks,
    accept,
    data,
    errors,
    keep_turning,
    provider,
    result,
    run_on,
    running,
    turned,
)
from simulator_driver import wait_until

from tasks import reading, steps, timing, verbs
from tasks.job import State
from tasks.store import Store

pytestmark = pytest.mark.one_store

CAPACITY = "concurrentRequestLimitExceeded"


def settled(rig: Rig, state: State) -> bool:
    turned(rig)
    return rig.only().state is state


# -- a resend, and what was told of a refusal


def test_a_task_that_came_to_light_while_its_resend_waited_is_not_bought_again(
    store: Store,
) -> None:
    """It remembers taskUUIDs while they run only, and shows nothing of what runs."""
    running, done, bought = dict[str, float](), set[str](), Counter[str]()

    def look() -> None:
        for task_uuid in [name for name, until in running.items() if time.monotonic() > until]:
            done.add(task_uuid)
            del running[task_uuid]

    def submit(tasks: Tasks) -> tuple[int, str]:
        look()
        for task in tasks:
            if task["taskUUID"] not in running:
                bought[task["taskUUID"]] += 1
                running[task["taskUUID"]] = time.monotonic() + 0.8
        return LOST if sum(bought.values()) == 1 else accept(tasks)

    def poll(tasks: Tasks) -> str:
        look()
        return data(*(result(task) for task in tasks if task["taskUUID"] in done))

    with provider(poll, submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60)
        (job,) = rig.queue(row())
        steps.submit(rig.context)
        verbs.hold(store, "batch_batch", "by the user")
        wait_until(lambda: settled(rig, State.QUEUED))  # silent for long, so it is to be sent again
        wait_until(lambda: look() or job in done)
        verbs.resume(store, "batch_batch")
        wait_until(lambda: settled(rig, State.COMPLETED))
        assert bought == {job: 1}
        assert rig.only().cost == 500_000_000


@pytest.mark.parametrize(
    ("status", "code"), [(429, CAPACITY), (429, "tooManyTasks"), (402, "insufficientCredits")]
)
@pytest.mark.parametrize("when", ["before its answer", "while it waits", "once it was taken"])
def test_a_refusal_that_a_callback_tells_too_is_no_failure_of_what_was_taken(
    store: Store, when: str, status: int, code: str
) -> None:
    posts = list[list[str]]()

    def tell(job: str) -> None:
        body = {"taskUUID": job, "status": "error", "code": code, "message": "no"}
        steps.receive(store, job, json.dumps(body).encode())

    def submit(tasks: Tasks) -> tuple[int, str]:
        posts.append([task["taskUUID"] for task in tasks])
        if len(posts) > 1:
            return accept(tasks)
        if when == "before its answer":
            tell(tasks[0]["taskUUID"])
        return status, errors(tasks, code)

    with provider(lambda _: data(), submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60, REELQUEUE_RESOLVE_AFTER=50)
        (job,) = rig.queue(row())
        steps.submit(rig.context)
        if when == "while it waits":
            tell(job)
        wait_until(lambda: settled(rig, State.PROCESSING))
        if when == "once it was taken":
            tell(job)
        for _ in range(8):
            turned(rig)
        assert posts == [[job], [job]]
        assert (rig.only().state, rig.only().attempt) == (State.PROCESSING, 1)


@pytest.mark.parametrize("code", [CAPACITY, "tooManyTasks"])
def test_a_refusal_that_is_told_late_buys_nothing_when_the_next_post_was_lost(
    store: Store, code: str
) -> None:
    posts = list[list[str]]()

    def submit(tasks: Tasks) -> tuple[int, str]:
        posts.append([task["taskUUID"] for task in tasks])
        return (429, errors(tasks, code)) if len(posts) == 1 else LOST

    with provider(lambda _: data(), submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60, REELQUEUE_RESOLVE_AFTER=50)
        (job,) = rig.queue(row())
        wait_until(lambda: settled(rig, State.RESOLVING))
        store.deliver(job, [error(job, code)])
        for _ in range(8):
            turned(rig)
        assert posts == [[job], [job]]
        assert (rig.only().state, rig.only().attempt) == (State.RESOLVING, 1)


@pytest.mark.parametrize("code", [CAPACITY, "tooManyTasks"])
def test_a_refusal_that_is_told_late_keeps_no_lost_task_from_being_sent_again(
    store: Store, code: str
) -> None:
    posts = list[list[str]]()

    def submit(tasks: Tasks) -> tuple[int, str]:
        posts.append([task["taskUUID"] for task in tasks])
        told = {1: (429, errors(tasks, code)), 2: LOST}
        return told.get(len(posts)) or accept(tasks)

    with provider(lambda _: data(), submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60)
        (job,) = rig.queue(row())
        wait_until(lambda: settled(rig, State.RESOLVING))
        store.deliver(job, [error(job, code)])
        wait_until(lambda: settled(rig, State.PROCESSING))
        assert posts == [[job]] * 3


def test_a_refusal_that_is_told_after_another_one_is_known_too(store: Store) -> None:
    posts = list[list[str]]()

    def submit(tasks: Tasks) -> tuple[int, str]:
        posts.append([task["taskUUID"] for task in tasks])
        told = {1: (429, errors(tasks, CAPACITY)), 2: (429, errors(tasks, "rateLimitExceeded"))}
        return told.get(len(posts)) or accept(tasks)

    with provider(lambda _: data(), submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60, REELQUEUE_RESOLVE_AFTER=50)
        (job,) = rig.queue(row())
        wait_until(lambda: settled(rig, State.PROCESSING))
        store.deliver(job, [error(job, CAPACITY)])
        for _ in range(8):
            turned(rig)
        assert (rig.only().state, rig.only().attempt) == (State.PROCESSING, 1)


def test_another_failure_that_a_callback_tells_of_what_was_refused_once_is_believed(
    store: Store,
) -> None:
    posts = list[int]()

    def submit(tasks: Tasks) -> tuple[int, str]:
        posts.append(len(tasks))
        return (429, errors(tasks, CAPACITY)) if len(posts) == 1 else accept(tasks)

    with provider(lambda _: data(), submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60)
        (job,) = rig.queue(row())
        wait_until(lambda: settled(rig, State.PROCESSING))
        store.deliver(job, [error(job, "providerRateLimitExceeded")])
        wait_until(lambda: turned(rig) or rig.only().attempt == 2)


def test_a_failure_that_a_callback_tells_while_the_resend_waits_is_believed_in_the_end(
    store: Store,
) -> None:
    posts = list[str]()

    def submit(tasks: Tasks) -> tuple[int, str]:
        posts.extend(task["taskUUID"] for task in tasks)
        return LOST if len(posts) == 1 else accept(tasks)

    with provider(lambda _: data(), submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60)
        (job,) = rig.queue(row())
        steps.submit(rig.context)
        verbs.hold(store, "batch_batch", "by the user")
        wait_until(lambda: settled(rig, State.QUEUED))
        store.deliver(job, [error(job)])
        for _ in range(timing.ACCUSED_EMPTIES + 2):
            turned(rig)
        verbs.resume(store, "batch_batch")
        wait_until(lambda: turned(rig) or rig.only().attempt == 2)
        assert posts.count(job) == 1


def test_an_accused_task_that_answers_for_several_leave_out_is_asked_for_alone(
    store: Store,
) -> None:
    posts = Counter[str]()

    def submit(tasks: Tasks) -> tuple[int, str]:
        posts.update(task["taskUUID"] for task in tasks)
        return accept(tasks)

    def poll(tasks: Tasks) -> str:
        if len(tasks) == 1:
            return data(result(tasks[0]))
        return data(*(running(task) for task in tasks if task["taskUUID"] != accused))

    with provider(poll, submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60)
        accused, other = rig.queue(row(), row())
        steps.submit(rig.context)
        store.deliver(accused, [error(accused)])
        run_on(rig)
        assert posts == {accused: 1, other: 1}
        assert {one.state for one in rig.records()} == {State.COMPLETED}


@pytest.mark.parametrize("code", ["duplicateUUID", "mediaExpired"])
def test_a_resend_that_is_rejected_ends_the_job_and_not_the_watch_on_the_first_post(
    store: Store, code: str
) -> None:
    posts, shown = list[int](), list[bool]()

    def submit(tasks: Tasks) -> tuple[int, str]:
        posts.append(len(tasks))
        return LOST if len(posts) == 1 else (400, errors(tasks, code))

    def poll(tasks: Tasks) -> str:
        return data(*(result(task) for task in tasks)) if shown else data()

    with provider(poll, submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60)
        rig.queue(row())
        wait_until(lambda: settled(rig, State.FAILED))
        shown.append(True)
        wait_until(lambda: settled(rig, State.COMPLETED))
        assert rig.only().cost == 500_000_000


def test_a_job_that_failed_after_posts_without_a_clear_answer_is_looked_for_all_the_same(
    store: Store,
) -> None:
    """The first POST was bought, those after it are answered with a fault that names the task."""
    posts, shown = list[int](), list[bool]()

    def submit(tasks: Tasks) -> tuple[int, str]:
        posts.append(len(tasks))
        return LOST if len(posts) == 1 else (500, errors(tasks, "providerError"))

    def poll(tasks: Tasks) -> str:
        return data(*(result(task) for task in tasks)) if shown else data()

    with provider(poll, submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=1)
        rig.queue(row())
        wait_until(lambda: settled(rig, State.FAILED))
        assert rig.only().error_code == "providerError"
        shown.append(True)
        wait_until(lambda: settled(rig, State.COMPLETED))
        assert rig.only().cost == 500_000_000
        assert store.window()[1] == 0


def test_the_slot_of_a_rejected_resend_is_free_once_nothing_was_told_of_it_for_long(
    store: Store,
) -> None:
    posts = list[int]()

    def submit(tasks: Tasks) -> tuple[int, str]:
        posts.append(len(tasks))
        return LOST if len(posts) == 1 else (400, errors(tasks, "duplicateUUID"))

    with provider(lambda _: data(), submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60)
        rig.queue(row())
        wait_until(lambda: settled(rig, State.FAILED))
        assert store.window()[1] == 1
        wait_until(lambda: turned(rig) or store.window()[1] == 0)
        assert store.client.zcard(store.keys("due")) == 1, "until its bound it is looked for"


def test_a_resend_that_the_user_gives_up_while_it_waits_is_looked_for(store: Store) -> None:
    shown = list[bool]()

    def poll(tasks: Tasks) -> str:
        return data(*(result(task) for task in tasks)) if shown else data()

    with provider(poll, submit=lambda _: LOST) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60)
        rig.queue(row())
        steps.submit(rig.context)
        verbs.hold(store, "batch_batch", "by the user")
        wait_until(lambda: settled(rig, State.QUEUED))
        assert verbs.cancel(store, [rig.only()]) == ["sent"]
        shown.append(True)
        wait_until(lambda: turned(rig) or rig.only().cost == 500_000_000)
        assert rig.only().state is State.CANCELLED


def test_a_bare_conflict_of_one_task_is_looked_for(store: Store) -> None:
    posts = list[int]()

    def submit(tasks: Tasks) -> tuple[int, str]:
        posts.append(len(tasks))
        return 409, '{"message":"already exists"}'

    with provider(lambda tasks: data(*map(result, tasks)), submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60)
        rig.queue(row())
        run_on(rig)
        assert (rig.only().state, posts) == (State.COMPLETED, [1])


# -- shapes of results


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_a_text_that_is_empty_under_an_unknown_status_is_no_result_yet(
    store: Store, status: str
) -> None:
    asked = list[int]()

    def poll(tasks: Tasks) -> str:
        asked.append(len(tasks))
        if len(asked) > 2:
            return data(*map(result, tasks))
        begun = {"taskType": "textInference", "status": status, "text": "", "cost": 0}
        return json.dumps({"data": [{**begun, "taskUUID": task["taskUUID"]} for task in tasks]})

    with provider(poll) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60)
        (job,) = rig.queue(row())
        run_on(rig)
        assert (rig.texts(job, 1), rig.only().cost) == (["seen"], 500_000_000)


def test_a_result_that_names_no_task_is_that_of_the_one_that_was_asked_for_alone(
    store: Store,
) -> None:
    paid = '{"data":[{"status":"success","text":"paid","cost":0.5}]}'
    with provider(lambda tasks: paid if len(tasks) == 1 else data()) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60)
        (job,) = rig.queue(row())
        run_on(rig)
        assert (rig.texts(job, 1), rig.only().cost) == (["paid"], 500_000_000)


def test_an_item_of_an_unknown_kind_under_our_task_is_no_silence(store: Store) -> None:
    posts, polls = list[int](), list[int]()

    def submit(tasks: Tasks) -> tuple[int, str]:
        posts.append(len(tasks))
        return LOST

    def poll(tasks: Tasks) -> str:
        polls.append(len(tasks))
        told = {"taskType": "progress", "percent": 40}
        return json.dumps({"data": [{**told, "taskUUID": task["taskUUID"]} for task in tasks]})

    with provider(poll, submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60, REELQUEUE_RESOLVE_AFTER=0.1)
        rig.queue(row())
        keep_turning(rig, 5, 0.3)
        assert len(polls) >= 10
        assert (rig.only().state, posts) == (State.PROCESSING, [1])


def test_thousands_of_results_of_one_task_cost_no_other_its_own(store: Store) -> None:
    def poll(tasks: Tasks) -> str:
        spoilt = [task for task in tasks if task["taskUUID"] == odd]
        many = [result(task, f"text {n}", "0.0001") for task in spoilt for n in range(4000)]
        return data(*many, *(result(task) for task in tasks if task not in spoilt))

    with provider(poll) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60)
        odd, *_ = rig.queue(*(row(f"Row {n}") for n in range(5)))
        run_on(rig)
        assert {one.state for one in rig.records()} == {State.COMPLETED}
        assert "surplus" in rig.records()[0].flags
        audit(store, rig.jobs)
        assert reading.batches(store)[0].done


def test_thousands_of_results_in_an_acknowledgment_are_no_trouble(store: Store) -> None:
    def submit(tasks: Tasks) -> tuple[int, str]:
        return 200, data(*(result(task, f"text {n}") for task in tasks for n in range(4000)))

    with provider(lambda tasks: data(*map(result, tasks)), submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60)
        rig.queue(row())
        run_on(rig)
        assert rig.only().state is State.COMPLETED
