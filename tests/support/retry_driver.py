"""Jobs that the user asks for again: how they come there, and what is seen of them."""

from core_driver import (
    SECRET,
    asked,
    audit,
    bring_to,
    error,
    queue,
    record,
    row,
    success,
    take,
    verdict,
)

from tasks import reading_results, verbs
from tasks.job import State
from tasks.store import Store


def retried(store: Store, job: str) -> str:
    (told,) = verbs.retry(store, SECRET, [record(store, job)])
    audit(store, [job])
    return told


def partial(store: Store, expected: int = 4, good: int = 3) -> str:
    """Bring a job to partial; its results are named after their number."""
    (job,) = queue(store, row(numberResults=expected))
    bring_to(store, job, State.PROCESSING)
    ask, told = asked(store, job), [success(job, str(n)) for n in range(good)]
    with store.moves() as moves:
        moves.join(ask, 0, 60, "", verdict(*told, error(job), final=True))
    assert record(store, job).state is State.PARTIAL
    return job


def texts(store: Store, job: str) -> list[str]:
    (items,) = reading_results.answers(store, [record(store, job)])
    return [str(item.raw.get("text") or item.code) for item in items]


def sent_again(store: Store, job: str) -> tuple[str, str]:
    """Claim a retried job; return the fencing token and its taskUUID."""
    token, (claimed,) = take(store)
    assert claimed.id == job
    return token, claimed.task_uuid
