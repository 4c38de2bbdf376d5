"""What a provider is found to take, and not to take, by how it answers a POST."""

import json
from typing import Any

import pytest
from core_driver import Rig, resize, row
from odd_provider import accept, data, provider, result

from tasks import steps
from tasks.job import State
from tasks.store import Store

pytestmark = pytest.mark.one_store


@pytest.mark.parametrize(
    "error",
    [
        {"code": "unsupportedParameter", "parameter": "tasks[0].includeUsage"},
        {"code": "unsupportedIncludeUsage"},
        {"code": "unknownParameter", "message": "'includeUsage' is not a parameter of this model."},
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_a_field_of_ours_is_known_however_a_refusal_names_it(
    store: Store, error: dict[str, str], *, named: bool
) -> None:
    posts: list[int] = []

    def submit(tasks: list[dict[str, Any]]) -> tuple[int, str]:
        posts.append(len(tasks))
        if not any("includeUsage" in task for task in tasks):
            return accept(tasks)
        names = [{"taskUUID": task["taskUUID"]} for task in tasks] if named else [{}]
        return 400, json.dumps({"errors": [error | name for name in names]})

    with provider(lambda tasks: data(*map(result, tasks)), submit=submit) as url:
        rig = Rig(store, url)
        rig.queue(*[row(f"Row {n}?") for n in range(4)])
        rig.run()
    assert {one.state for one in rig.records()} == {State.COMPLETED}
    assert store.limits.found() == {"without": "includeUsage"}
    assert posts == [4, 4]


@pytest.mark.parametrize("named", [True, False])
def test_a_field_of_ours_is_left_out_whatever_the_code_of_its_refusal(
    store: Store, *, named: bool
) -> None:
    def submit(tasks: list[dict[str, Any]]) -> tuple[int, str]:
        if not any("includeUsage" in task for task in tasks):
            return accept(tasks)
        names = [{"taskUUID": task["taskUUID"]} for task in tasks] if named else [{}]
        error = {"code": "fieldNotAllowed", "parameter": ["includeUsage"]}
        return 400, json.dumps({"errors": [error | name for name in names]})

    with provider(lambda tasks: data(*map(result, tasks)), submit=submit) as url:
        rig = Rig(store, url)
        rig.queue(*[row(f"Row {n}?") for n in range(4)])
        rig.run()
    assert {one.state for one in rig.records()} == {State.COMPLETED}
    assert store.limits.found()["without"] == "includeUsage"


def test_an_answer_that_is_garbled_once_limits_nothing(store: Store) -> None:
    broken = {"submit", "poll"}

    def garbled(what: str, body: str) -> str:
        if what not in broken:
            return body
        broken.discard(what)
        return body[: len(body) // 2]

    def poll(tasks: list[dict[str, Any]]) -> str:
        return garbled("poll", data(*map(result, tasks)))

    with provider(poll, submit=lambda tasks: (200, garbled("submit", accept(tasks)[1]))) as url:
        rig = Rig(store, url)
        for name in ("first", "second"):
            rig.queue(*[row(f"Row {n}?") for n in range(8)], name=name)
            rig.run()
    assert not broken
    assert {one.state for one in rig.records()} == {State.COMPLETED}
    assert store.limits.found() == {}


def test_a_provider_that_takes_the_first_tasks_of_a_post_and_passes_over_the_rest_is_found_out(
    store: Store,
) -> None:
    taken: list[str] = []

    def submit(tasks: list[dict[str, Any]]) -> tuple[int, str]:
        taken.extend(task["taskUUID"] for task in tasks[:2])
        return accept(tasks[:2])

    def poll(tasks: list[dict[str, Any]]) -> str:
        return data(*(result(task) for task in tasks if task["taskUUID"] in taken))

    with provider(poll, submit=submit) as url:
        rig = Rig(store, url)
        resize(store, 40)
        for name in ("first", "second"):
            rig.queue(*[row(f"Row {n}?") for n in range(8)], name=name)
            steps.submit(rig.context)
        assert store.limits.found() == {"tasks": "2"}
        rig.run()
    assert {one.state for one in rig.records()} == {State.COMPLETED}
    assert len(taken) == len(set(taken)) == 16


@pytest.mark.parametrize("named", [True, False])
def test_a_request_that_is_too_large_for_a_rate_limit_is_no_want_of_capacity(
    store: Store, *, named: bool
) -> None:
    def submit(tasks: list[dict[str, Any]]) -> tuple[int, str]:
        if len(tasks) <= 2:
            return accept(tasks)
        names = [{"taskUUID": task["taskUUID"]} for task in tasks] if named else [{}]
        error = {"code": "inferenceRateLimitRequestTooLarge", "message": "At most two."}
        return 429, json.dumps({"errors": [error | name for name in names]})

    with provider(lambda tasks: data(*map(result, tasks)), submit=submit) as url:
        rig = Rig(store, url)
        resize(store, 8)
        rig.queue(*[row(f"Row {n}?") for n in range(8)])
        rig.run()
    assert {one.state for one in rig.records()} == {State.COMPLETED}
    assert store.window()[0] >= 8
    assert store.limits.found() == {"tasks": "2"}
