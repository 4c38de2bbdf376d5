"""Results through the door, over both stores: kept once, joined in whatever order they come."""

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from door_driver import Door, result
from store_driver import StoreServer

from tasks import reading_results
from tasks.job import OPEN, State

CENT = 10_000_000

SHAPES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "flat": lambda item: item,
    "flat with status": lambda item: {**item, "status": "success"},
    "data of one": lambda item: {"data": [item]},
    "data as object": lambda item: {"data": item},
    "both keys": lambda item: {"data": [item], "errors": []},
    "list": lambda item: [item],
    "unknown fields": lambda item: {**item, "resultIndex": 0, "nobody": {"knows": [None, True]}},
    "null text": lambda item: {**item, "text": None, "finishReason": "content_filter"},
    "lone surrogate and NUL": lambda item: {**item, "text": "\ud800\u0000\u202e \x1b[31m\r\n"},
}

ERRORS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "errors of one": lambda error: {"errors": [error]},
    "flat error": lambda error: {**error, "status": "error"},
    "nested error": lambda error: {
        "taskUUID": error["taskUUID"],
        "status": "error",
        "error": error,
    },
}


@pytest.fixture(scope="module")
def door(store_server: StoreServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with Door(store_server.url, tmp_path_factory.mktemp("door")) as running:
        yield running


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_a_result_completes_its_job(door: Door, shape: str) -> None:
    job = door.job()

    answer = door.post(job, SHAPES[shape](result(job)))

    assert (answer.status_code, answer.content) == (204, b"")
    ended = door.record(job)
    assert (ended.state, ended.cost, door.results(job)) == (State.COMPLETED, CENT, 1)


@pytest.mark.parametrize("shape", ERRORS)
def test_an_error_ends_no_job_but_makes_it_due_for_a_poll(door: Door, shape: str) -> None:
    job = door.job()

    answer = door.post(
        job, ERRORS[shape]({"code": "timeoutProvider", "message": "m", "taskUUID": job})
    )

    assert answer.status_code == 204
    assert door.record(job).state in OPEN
    assert door.is_due(job)


def test_progress_ends_nothing(door: Door) -> None:
    job = door.job()

    for _ in range(3):
        answer = door.post(
            job, {"taskType": "textInference", "taskUUID": job, "status": "processing"}
        )
        assert answer.status_code == 204

    assert door.record(job).state in OPEN
    assert door.results(job) == door.quarantined(job) == 0


def test_progress_shows_a_task_whose_post_had_no_clear_answer(door: Door) -> None:
    job = door.job()
    with door.store.moves() as moves:
        moves.lose(job, str(door.record(job).token), "", "no answer")
    assert door.record(job).state is State.RESOLVING

    answer = door.post(job, {"taskUUID": job, "status": "processing"})

    assert (answer.status_code, door.record(job).state) == (204, State.PROCESSING)
    assert door.is_due(job)


def test_more_results_than_any_task_has_are_refused_and_not_kept(door: Door) -> None:
    job = door.job()

    answers = [door.post(job, result(job, f"text {n}")).status_code for n in range(40)]
    before = door.dump()
    last = door.post(job, result(job, "one more"))

    assert answers == sorted(answers)
    assert set(answers) == {204, 503}
    assert (last.status_code, last.headers["Retry-After"]) == (503, "1")
    assert door.dump() == before


def test_twelve_deliveries_one_after_the_other_count_once(door: Door) -> None:
    job = door.job()

    answers = [door.post(job, result(job)).status_code for _ in range(12)]

    assert answers == [204] * 12
    assert (door.results(job), door.record(job).cost) == (1, CENT)


def test_thirty_two_deliveries_at_once_count_once(door: Door) -> None:
    job = door.job()

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: door.post(job, result(job)).status_code, range(32)))

    assert answers == [204] * 32
    assert (door.results(job), door.record(job).cost) == (1, CENT)
    assert door.record(job).state is State.COMPLETED


def test_four_results_at_once_on_four_connections_complete_the_job(door: Door) -> None:
    job = door.job(expected=4)
    bodies = [result(job, f"text {n}") for n in range(4)]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda body: door.post(job, body).status_code, bodies))

    assert answers == [204] * 4
    ended = door.record(job)
    assert (ended.state, ended.cost, door.results(job)) == (State.COMPLETED, 4 * CENT, 4)


def test_all_orders_of_three_results_with_a_repetition_end_alike(door: Door) -> None:
    ends = set()
    for order in itertools.permutations(range(3)):
        job = door.job(expected=3)
        for n in (*order, order[0]):
            assert door.post(job, result(job, f"text {n}")).status_code == 204
        ended = door.record(job)
        ends.add((ended.state, ended.cost, door.results(job)))
    assert ends == {(State.COMPLETED, 3 * CENT, 3)}


def test_four_results_in_one_body_complete_the_job(door: Door) -> None:
    job = door.job(expected=4)

    assert door.post(job, {"data": [result(job, f"text {n}") for n in range(4)]}).status_code == 204

    ended = door.record(job)
    assert (ended.state, ended.cost) == (State.COMPLETED, 4 * CENT)


def test_a_second_text_for_a_completed_job_is_kept_and_not_charged(door: Door) -> None:
    job = door.job()
    door.post(job, result(job, "the first"))

    assert door.post(job, result(job, "another")).status_code == 204

    ended = door.record(job)
    assert (ended.state, door.results(job)) == (State.COMPLETED, 1)
    (surplus,) = reading_results.surplus(door.store, door.record(job), 1)
    assert surplus.raw["text"] == "another"
    assert "surplus" in ended.flags


def test_a_result_before_the_acknowledgment_completes_the_job_once(door: Door) -> None:
    job = door.job()  # claimed: its POST may still be unanswered
    door.post(job, result(job))

    with door.store.moves() as moves:
        moves.acknowledge(job, str(door.record(job).token), 20.0, "")

    assert door.record(job).state is State.COMPLETED


def test_a_body_of_two_megabytes_is_answered_in_time(door: Door) -> None:
    job = door.job()
    begun = time.monotonic()

    answer = door.post(job, result(job, '{"at": 1} ' * 200_000))

    assert (answer.status_code, door.record(job).state) == (204, State.COMPLETED)
    assert time.monotonic() - begun < 2
