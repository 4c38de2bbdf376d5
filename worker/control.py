"""Remote control where it means more than Celery knows: recorded jobs, Flower, the doors."""

from collections.abc import Sequence
from typing import Any

from celery.worker import control

from tasks import lately, reading, verbs
from tasks.errors import StoreAway
from tasks.job import ENDED, State
from worker.build import crew
from worker.config import TEXT_INFERENCE, doors
from worker.face import job_of


@control.control_command(variadic="task_id", signature="[id1 [id2 [... [idN]]]]")
def revoke(state: Any, task_id: Any, terminate: bool = False, **kwargs: Any) -> Any:  # noqa: ANN401, FBT001, FBT002
    """Give up jobs that the provider has not; with `terminate` also what it works on, and bills.

    It is heard by workers that are there; `reelqueue cancel` works without any.
    """
    asked = [task_id] if isinstance(task_id, str) else [str(one) for one in task_id or ()]
    try:
        unknown = [
            one
            for start in range(0, len(asked), verbs.PAGE)
            for one in _give_up(asked[start : start + verbs.PAGE], terminate=terminate)
        ]
    except StoreAway as exc:
        return {"error": str(exc)}
    # Messages that are still to come; of those it knows Celery would write results of its own.
    return control.revoke(state, unknown, terminate, **kwargs)


@control.control_command()
def heartbeat(state: Any) -> Any:  # noqa: ANN401  Celery's
    """Tell Flower again what it may have missed: it asks so each time it begins to listen."""
    try:
        lately.came_back(crew().context.store)
    except StoreAway as exc:
        crew().context.log.warning("flower.unheard", reason=str(exc))
    return control.heartbeat(state)


@control.control_command(args=[("queue", str)], signature="<queue>")
def cancel_consumer(state: Any, queue: str, **kwargs: Any) -> Any:  # noqa: ANN401  Celery's
    """Take no more from a queue; not from that of the doors, for all would stand still unseen."""
    if queue == doors(crew().context.settings.namespace):
        return control.nok("reelqueue works by this queue: to stop sending, `reelqueue pause`")
    return control.cancel_consumer(state, queue, **kwargs)


@control.control_command(
    args=[("task_name", str), ("rate_limit", str)], signature="<task_name> <rate_limit>"
)
def rate_limit(state: Any, task_name: str, rate_limit: str, **kwargs: Any) -> Any:  # noqa: ANN401  Celery's
    """Slow a task down; not a door, which serves all jobs: they would stand still unseen, too."""
    if task_name.startswith("reelqueue.") and task_name != TEXT_INFERENCE:
        return control.nok(
            "reelqueue works by this task: to send less, REELQUEUE_WINDOW_MAX; to stop, "
            "`reelqueue pause`"
        )
    return control.rate_limit(state, task_name, rate_limit, **kwargs)


def _give_up(celery_ids: Sequence[str], *, terminate: bool) -> list[str]:
    """Cancel the jobs of Celery tasks; returns the tasks that have none."""
    store = crew().context.store
    known = reading.records(store, [job_of(one) for one in celery_ids])
    spared = ENDED if terminate else ENDED | {State.PROCESSING}
    jobs = [job for job in known if job and job.state not in spared]
    if jobs:
        verbs.cancel(store, jobs)
    return [one for one, job in zip(celery_ids, known, strict=True) if job is None]
