"""The usual design, written with care: one Celery task per job, that posts and then polls.

Each task posts one request, retries itself every two seconds to poll for it, and leaves the answer
in Celery's result backend. One connection per process is kept open; prefetch is Celery's default,
which retries that wait do not use up; early acknowledgment, no gossip, no mingle: what is fastest.
"""

import os
from functools import cache
from typing import Any

import requests
from celery import Celery, Task

EVERY = 2.0
"""Seconds between two polls of a job."""

app = Celery("baseline")
app.conf.update(
    broker_url=os.environ.get("BASELINE_STORE", ""),
    result_backend=os.environ.get("BASELINE_STORE", ""),
    task_serializer="json",
    worker_send_task_events=True,  # to be seen in Flower, as our jobs are
    broker_connection_retry_on_startup=True,
)


@cache
def session() -> requests.Session:
    """Return this process's connection to the provider."""
    return requests.Session()


def exchange(task: dict[str, Any]) -> dict[str, Any]:
    """Send one task and return the item that answers it.

    Raises:
        requests.RequestException: there was no answer, or it was an error.
    """
    headers = {"Authorization": "Bearer benchmark"}
    answer = session().post(
        os.environ["BASELINE_PROVIDER"], json=[task], headers=headers, timeout=20
    )
    answer.raise_for_status()
    (item,) = answer.json()["data"]
    return dict(item)


@app.task(  # type: ignore[untyped-decorator]  # Celery ships no types
    bind=True, name="analyse", max_retries=None, autoretry_for=(requests.RequestException,)
)
def analyse(self: Task, row: dict[str, Any], *, submitted: bool = False) -> dict[str, Any]:
    """Submit a row, or ask what became of it; return the answer."""
    uuid = self.request.id
    if not submitted:
        exchange(_request(uuid, row))
        raise self.retry(args=(row,), kwargs={"submitted": True}, countdown=EVERY)
    item = exchange({"taskType": "getResponse", "taskUUID": uuid})
    if item.get("status") == "processing":
        raise self.retry(args=(row,), kwargs={"submitted": True}, countdown=EVERY)
    return item


def _request(uuid: str, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "taskType": "textInference",
        "taskUUID": uuid,
        "model": "google:gemini@3.1-pro",
        "deliveryMethod": "async",
        "includeCost": True,
        "includeUsage": True,
        "messages": [{"role": "user", "content": row["prompt"]}],
        "inputs": {"videos": [row["video"]]},
        "settings": {"maxTokens": row["maxTokens"]},
    }
