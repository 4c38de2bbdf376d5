"""What goes wrong while Celery's callers are told what became of their jobs."""

import json
from typing import Any

from celery import Celery, chord, group
from registry import Open, case
from simulator_driver import wait_until
from yard import Told, Yard

POINTS = (
    *("before:call", "after:call", "before:settled", "after:settled"),
    *("before:chord", "after:chord", "before:publish", "after:publish"),
    *("before:answered", "after:answered"),
)
"""Where a worker dies: recording a call, storing a result, returning a chord's part, its body."""


def parts(point: str) -> int:
    """Return how many parts a chord has.

    One where a worker dies while it records calls: what else it has just taken from the broker is
    lost with it (kombu notes it a moment later), which is Celery's guarantee on Redis, no better.
    """
    return 1 if point.endswith(":call") else 4


@case()
def workers_die_while_callers_are_told(yard: Open) -> Told:
    with yard(workers=0, simulator=("--latency", "0.3")) as at:
        plain = Celery("plain", broker=at.server.url, backend=at.server.url)
        for point in POINTS:
            mark = at.folder / point.replace(":", "-")
            worker = at.hire(CRASH_AT=point, CRASH_MARK=str(mark))
            body = _chord(at, plain, point)
            wait_until(mark.exists, 30)
            wait_until(lambda dying=worker: not dying.lives, 10)
            at.kill_workers()
            at.hire()
            _await_results(body, parts(point))
            _await_body(at, body)
            at.kill_workers()
        at.hire()
        at.heal()
        _each_job_once(at)
        return at.verdict()


def _chord(at: Yard, plain: Celery, point: str) -> Any:  # noqa: ANN401 - a result of Celery
    calls = [
        plain.signature(
            "reelqueue.text_inference",
            kwargs={"prompt": f"{point} {n}", "custom_id": f"{n}"},
            queue="faults",
        )
        for n in range(parts(point))
    ]
    body = chord(group(calls, app=plain), app=plain)(plain.signature("plain.body"))
    at.jobs += [part.id for part in body.parent.children]
    return body


def _await_results(body: Any, many: int) -> None:  # noqa: ANN401
    told = body.parent.get(timeout=60)
    assert [one["custom_id"] for one in told] == [str(n) for n in range(many)]


def _await_body(at: Yard, body: Any) -> None:  # noqa: ANN401
    """See that the body was published, with all results in order, under one id."""

    def published() -> list[dict[str, Any]]:
        found = [json.loads(raw) for raw in at.store.client.lrange("celery", 0, -1)]
        return [one for one in found if one["headers"]["id"] == body.id]

    wait_until(published, 60)
    for one in published():
        assert one["headers"]["task"] == "plain.body"


def _each_job_once(at: Yard) -> None:
    bodies = [json.loads(raw)["headers"]["id"] for raw in at.store.client.lrange("celery", 0, -1)]
    assert len(set(bodies)) == len(POINTS), bodies
