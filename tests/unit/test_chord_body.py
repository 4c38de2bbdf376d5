"""The body of a chord is published by Celery, from what is kept of a part's message."""

import pytest

from tasks.job import record
from tasks.reading_requests import Request
from tasks.settle import Story
from worker.completion import _request
from worker.seats import SEAT_MS

JOB = "378ac79a-0546-4a6f-a20e-761d22ecfbd2"
ENDED = {"s": "failed", "b": "batch_1", "a": "1", "q": "5000", "n": "1", "cy": JOB}


@pytest.mark.parametrize("given", [{}, {"options": {"retry": False, "queue": "q"}}])
def test_a_body_is_published_again_while_the_store_is_away_but_not_beyond_a_seat(
    given: dict[str, object],
) -> None:
    story = Story(record(JOB, ENDED), Request("x", {}, {}), ("", ""), [])
    request = _request(story, {"chord": {"task": "plain.body", **given}, "group": "g"})
    options = request.chord["options"]
    policy = options.pop("retry_policy")
    waits = [
        min(policy["interval_start"] + n * policy["interval_step"], policy["interval_max"])
        for n in range(policy["max_retries"])
    ]
    assert 15 < sum(waits) < SEAT_MS / 2000
    assert options == {**given.get("options", {}), "retry": True}  # type: ignore[dict-item]
