"""Tasks that are not answered for, and what is said of a task that nobody has."""

import json
from collections import Counter
from random import Random

import pytest
from core_driver import Rig, resize, row
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

from tasks import reading, steps
from tasks.job import State
from tasks.store import Store

pytestmark = pytest.mark.one_store


# -- one task that is never answered for


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, ""),
        (500, "internalServerError"),
        (429, "rateLimitExceeded"),
        (402, "insufficientCredits"),
        (503, "upstreamFlaked"),
        (400, "taskNotFound"),
        (403, ""),
        (429, ""),
        (408, ""),
    ],
)
def test_a_task_that_spoils_every_answer_holds_up_no_other_and_ends_itself(
    store: Store, status: int, code: str
) -> None:
    def poll(tasks: Tasks) -> str | tuple[int, str]:
        spoilt = [task for task in tasks if task["taskUUID"] == bad]
        if spoilt:
            return status, errors(spoilt, code) if code else "{}"
        return data(*map(result, tasks))

    with provider(poll) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=0.5)
        bad, *_ = rig.queue(*(row(f"Row {n}") for n in range(4)))
        run_on(rig)
        first, *others = (one.state for one in rig.records())
        assert (first, {*others}) == (State.EXPIRED, {State.COMPLETED})
        assert reading.batches(store)[0].done


def test_a_task_that_no_poll_is_answered_for_is_in_time_asked_for_by_itself(store: Store) -> None:
    with_others = [0]  # polls for several with a bad one among them, by rounds

    def poll(tasks: Tasks) -> str:
        if any(task["taskUUID"] in bad for task in tasks):
            with_others[-1] += len(tasks) > 1
            raise ConnectionError
        ends = len(with_others) > 40
        return data(*(result(task) if ends else running(task) for task in tasks))

    with provider(poll) as url:
        rig, order = Rig(store, url, REELQUEUE_DEADLINE=60), Random(1)
        resize(store, 16)
        bad = set(rig.queue(*(row(f"Row {n}") for n in range(12)))[:2])
        due = store.keys("due")
        while not all(one.state is State.COMPLETED for one in rig.records()[2:]):
            for member in store.client.zrange(due, 0, -1):
                store.client.zadd(due, {member: order.randrange(1, 1000)}, xx=True)
            rig.turn()
            with_others.append(0)
            assert len(with_others) < 100
        assert sum(with_others[:20]) > 0
        assert sum(with_others[20:]) == 0
        assert [one.state for one in rig.records()[:2]] == [State.PROCESSING] * 2


def test_a_task_that_is_refused_alone_does_not_stop_the_queue(store: Store) -> None:
    posts = list[int]()

    def submit(tasks: Tasks) -> tuple[int, str]:
        posts.append(len(tasks))
        return LOST if len(posts) == 1 else accept(tasks)

    def poll(tasks: Tasks) -> str | tuple[int, str]:
        refused = any(task["taskUUID"] == bad for task in tasks)
        return (403, errors([], "forbidden")) if refused else data(*map(result, tasks))

    with provider(poll, submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=0.5)
        (bad,) = rig.queue(row())
        rig.turn()
        rig.queue(row("a"), row("b"), name="other")
        run_on(rig)
        assert [one.state for one in rig.records()[1:]] == [State.COMPLETED] * 2


def test_when_nobody_is_answered_for_no_deadline_ends_a_job(store: Store) -> None:
    polls = list[int]()

    def poll(tasks: Tasks) -> tuple[int, str]:
        polls.append(len(tasks))
        return 500, "{}"

    with provider(poll) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=0.1)
        rig.queue(row(), row("Another"))
        keep_turning(rig, 5, 0.2)
        assert len(polls) >= 10
        assert {one.state for one in rig.records()} == {State.PROCESSING}


@pytest.mark.parametrize(
    ("status", "code", "most"),
    [(429, "rateLimitExceeded", 1), (500, "internalServerError", 2), (402, "", 3), (429, "", 1)],
)
def test_an_outage_is_asked_about_no_more_for_the_tasks_that_wait(
    store: Store, status: int, code: str, most: int
) -> None:
    asked = list[int]()

    def poll(tasks: Tasks) -> tuple[int, str]:
        asked.append(len(tasks))
        return status, errors(tasks[:1], code) if code else "{}"

    with provider(poll) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60, REELQUEUE_WINDOW_START=100)
        resize(store, 100)
        rig.queue(*(row(f"Row {n}") for n in range(100)))
        for _ in range(2):
            steps.submit(rig.context)
        store.client.zadd(store.keys("due"), dict.fromkeys(rig.jobs, 1), xx=True)
        steps.poll(rig.context)
        assert len(asked) <= most


@pytest.mark.parametrize("status", [500, 429, 403])
def test_one_of_many_that_are_looked_for_spoils_the_search_for_no_other(
    store: Store, status: int
) -> None:
    known = set[str]()

    def submit(tasks: Tasks) -> tuple[int, str]:
        known.update(task["taskUUID"] for task in tasks)
        return accept(tasks)

    def poll(tasks: Tasks) -> str | tuple[int, str]:
        if any(task["taskUUID"] == bad for task in tasks):
            return status, "{}"
        return data(*(result(task) for task in tasks if task["taskUUID"] in known))

    with provider(poll, submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=0.5)
        bad, *others = rig.queue(*(row(f"Row {n}") for n in range(6)))
        store.client.hset(store.keys("meta"), "run", "another")  # the store came up anew
        run_on(rig)
        assert known == {*others}
        assert [one.state for one in rig.records()] == [State.EXPIRED, *[State.COMPLETED] * 5]


# -- a task that is not there


@pytest.mark.parametrize(
    "answer",
    [
        (404, '{"errors":[{"code":"notFound","message":"no such task"}]}'),
        (200, '{"data":[],"errors":[{"code":"notFound","message":"no such task"}]}'),
    ],
)
def test_what_is_said_of_a_task_that_nobody_has_is_silence(
    store: Store, answer: tuple[int, str]
) -> None:
    known = set[str]()

    def submit(tasks: Tasks) -> tuple[int, str]:
        known.update(task["taskUUID"] for task in tasks)
        return accept(tasks)

    def poll(tasks: Tasks) -> str | tuple[int, str]:
        if any(task["taskUUID"] not in known for task in tasks):
            return answer
        return data(*map(result, tasks))

    with provider(poll, submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60)
        rig.queue(row(), row("Another"))
        store.client.hset(store.keys("meta"), "run", "another")  # the store came up anew
        run_on(rig)
        assert {one.state for one in rig.records()} == {State.COMPLETED}


def test_a_404_in_place_of_every_poll_is_silence_of_none_though_submissions_are_taken(
    store: Store,
) -> None:
    bought, polls = Counter[str](), list[int]()

    def poll(tasks: Tasks) -> tuple[int, str]:
        polls.append(len(tasks))
        return 404, '{"message":"no Route matched"}'

    def submit(tasks: Tasks) -> tuple[int, str]:
        bought.update(task["taskUUID"] for task in tasks)
        return LOST if len(bought) == 1 else accept(tasks)

    with provider(poll, submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60)
        rig.queue(row())
        steps.submit(rig.context)
        rig.queue(row("a"), name="other")
        keep_turning(rig, 5, 0.5)
        assert len(polls) >= 10
        assert {*bought.values()} == {1}


def test_what_nobody_tells_of_is_not_looked_for_for_ever(store: Store) -> None:
    with provider(lambda _: (404, '{"message":"not found"}')) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=0.5)
        rig.queue(row())
        store.client.hset(store.keys("meta"), "run", "another")  # the store came up anew
        run_on(rig)
        assert rig.only().state is State.EXPIRED


def test_a_bare_404_is_silence_only_where_others_are_answered_for(store: Store) -> None:
    known, posts, polls = set[str](), list[int](), list[int]()

    def submit(tasks: Tasks) -> tuple[int, str]:
        posts.append(len(tasks))
        if len(posts) == 1:
            return LOST
        known.update(task["taskUUID"] for task in tasks)
        return accept(tasks)

    def poll(tasks: Tasks) -> str | tuple[int, str]:
        polls.append(len(tasks))
        if any(task["taskUUID"] not in known for task in tasks):
            return 404, '{"message":"not found"}'
        return data(*map(result, tasks))

    with provider(poll, submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60)
        rig.queue(row())
        steps.submit(rig.context)
        keep_turning(rig, 5, 0.5)
        assert len(polls) >= 10
        assert rig.only().state is State.RESOLVING, "it may be a gateway that says so"
        rig.queue(row("a"), name="other")
        run_on(rig)
        assert {one.state for one in rig.records()} == {State.COMPLETED}


# -- what becomes of slots, and how soon polls come again


def test_slots_of_expired_tasks_that_nobody_knows_are_free_for_others(store: Store) -> None:
    known = set[str]()

    def submit(tasks: Tasks) -> tuple[int, str]:
        if len(known) >= 2:
            known.update(task["taskUUID"] for task in tasks)
        return accept(tasks)

    def poll(tasks: Tasks) -> str:
        return data(*(result(task) for task in tasks if task["taskUUID"] in known))

    with provider(poll, submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=0.3)
        resize(store, 2)
        rig.queue(row(), row("Another"))
        rig.turn()
        known.update(("from", "now on"))
        rig.queue(row("a"), row("b"), name="other")
        run_on(rig)
        states = [one.state for one in rig.records()]
        assert states == [State.EXPIRED] * 2 + [State.COMPLETED] * 2
        late = rig.jobs[0]
        known.add(late)  # it had lost them for a while
        wait_until(lambda: turned(rig) or rig.records()[0].state is State.COMPLETED)


def test_tasks_of_a_poll_that_was_refused_are_asked_for_again_soon(store: Store) -> None:
    answers = [(429, "{}"), (200, data())]
    with provider(lambda _: answers[0]) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60)
        (job,) = rig.queue(row())
        steps.submit(rig.context)
        for least, most in ((0, 1.5), (1, 2.5), (2, 4.5)):
            store.client.zadd(store.keys("due"), {job: 1})
            steps.poll(rig.context)
            wait = store.client.zscore(store.keys("due"), job) / 1000 - store.now() / 1000
            assert least <= wait <= most
        del answers[0]
        store.client.zadd(store.keys("due"), {job: 1})
        steps.poll(rig.context)
        wait = store.client.zscore(store.keys("due"), job) / 1000 - store.now() / 1000
        assert wait < 1


def test_a_rate_limit_told_of_each_task_under_200_buys_nothing_again(store: Store) -> None:
    told = list[int]()

    def poll(tasks: Tasks) -> str:
        told.append(len(tasks))
        if len(told) <= 6:
            return errors(tasks, "rateLimitExceeded")
        return data(*map(result, tasks))

    with provider(poll) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60, REELQUEUE_RESOLVE_AFTER=50)
        rig.queue(row(), row("Another"))
        run_on(rig)
        assert {(one.state, one.attempt) for one in rig.records()} == {(State.COMPLETED, 1)}


@pytest.mark.parametrize("code", ["taskExpired", "taskCancelled"])
def test_gone_is_silence_of_a_task_that_nobody_has_taken(store: Store, code: str) -> None:
    known = set[str]()

    def submit(tasks: Tasks) -> tuple[int, str]:
        first = not known
        known.update(task["taskUUID"] for task in tasks if not first)
        known.add("one was lost")
        return LOST if first else accept(tasks)

    def poll(tasks: Tasks) -> str:
        there = [task for task in tasks if task["taskUUID"] in known]
        gone = json.loads(errors([task for task in tasks if task not in there], code))
        return data(*map(result, there))[:-1] + f',"errors":{json.dumps(gone["errors"])}}}'

    with provider(poll, submit=submit) as url:
        rig = Rig(store, url, REELQUEUE_DEADLINE=60)
        rig.queue(row())
        run_on(rig)
        assert rig.only().state is State.COMPLETED
