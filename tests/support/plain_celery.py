"""A Celery program that has none of our code: a client, and a worker with tasks of its own."""

import os
from typing import Any

from celery import Celery

URL = os.environ.get("PLAIN_STORE", "")
app = Celery("plain", broker=URL, backend=URL)


def job(**columns: Any) -> Any:  # noqa: ANN401  a signature; Celery has no types
    """Return the call of a job with these columns."""
    return app.signature("reelqueue.text_inference", kwargs=columns, queue="reelqueue")


@app.task(name="plain.gather")
def gather(results: list[dict[str, Any]]) -> list[str]:
    """Return the custom_ids of jobs, as the body of a chord; each run leaves a mark."""
    app.backend.client.incr(f"plain-gathered-{results[0]['custom_id']}")
    return [one["custom_id"] for one in results]


@app.task(name="plain.follow")
def follow(result: dict[str, Any], word: str) -> list[str]:
    """Return who came before, as a link or the next of a chain; leaves a mark."""
    app.backend.client.rpush(f"plain-followed-{word}", result["custom_id"])
    return [result["custom_id"], word]


@app.task(name="plain.mourn")
def mourn(task_id: str) -> None:
    """Leave a mark for a task that failed."""
    app.backend.client.rpush("plain-mourned", task_id)
