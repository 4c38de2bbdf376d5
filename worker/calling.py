"""What else a caller wants called, or told, when a task is over: links, the chain's rest, chords.

A signature that cannot be published (in a serializer that nobody here knows, or to a queue that is
another program's key) is left out and logged: it must hold up neither its own caller nor the
endings that come behind it.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from celery import group
from celery.app.task import Context as Message
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError, ResponseError
from structlog import get_logger

from tasks.callers import WANTS
from tasks.connection import store_errors
from tasks.errors import StoreAway, StoreRefused
from worker.app import app

AWAY = (OperationalError, RedisError, OSError)
"""What publishing raises where the store is away."""


@contextmanager
def published() -> Iterator[None]:
    """Turn what the store raises while something is published.

    Raises:
        StoreAway: it is away.
    """
    try:
        with store_errors():
            yield
    except OperationalError as exc:
        raise StoreAway(f"a message could not be published: {exc}") from exc


def follow(request: Message, result: Mapping[str, Any]) -> None:
    """Publish what follows a success: its links, and the next of its chain."""
    for number, given in enumerate(request.callbacks or ()):
        _publish(given, result, request, f"{_seed(request)}/{number}")
    if request.chain:
        rest = {"chain": request.chain[:-1]}
        if exc := _publish(request.chain[-1], result, request, "", **rest):
            fail(_over(request), exc)


def fail(request: Message, exc: Exception, state: str = "FAILURE") -> None:
    """Do what Celery does after a task that failed: result, chord, chain, error links.

    Celery returns a chord's part that stands later in the chain once it has stored that part's
    result, and not where there is one: after a worker that died in between the chord would wait.
    """
    parts = [_key(part) for part in later_parts(request)]
    if parts:
        app.backend.client.delete(*parts)
    app.backend.mark_as_failure(request.id, exc, request=request, call_errbacks=False, state=state)
    for number, given in enumerate(request.errbacks or ()):
        _publish(given, request.id, request, f"{_seed(request)}/errback/{number}")


def _seed(request: Message) -> str:
    """Return what the ids of a message's links are made of: another of its task has other links."""
    return f"{request.id}/{request.get(WANTS, '')}"


def later_parts(request: Message) -> list[Mapping[str, Any]]:
    """Return the options of those that stand later in a task's chain and are parts of a chord."""
    return [told for told in _options(request.chain or ()) if "chord" in told]


def _options(chain: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for given in chain:
        yield given.get("options") or {}
        body = (given.get("kwargs") or {}).get("body")
        if given.get("subtask_type") == "chord" and isinstance(body, dict):
            yield from _options([body])


def _key(part: Mapping[str, Any]) -> Any:  # noqa: ANN401  bytes or text, as the backend has it
    return app.backend.get_key_for_task(part.get("task_id") or "")


def _over(request: Message) -> Message:
    """Return the next of a chain as a task that is over, with the rest of the chain behind it."""
    following = request.chain[-1]
    id_ = (following.get("options") or {}).get("task_id") or request.id
    return Message({"id": id_, "chain": request.chain, "delivery_info": {}, "errbacks": None})


def _is_away(cause: BaseException) -> bool:
    """Whether the store failed, not what was published: that may name another program's key."""
    if not isinstance(cause, ResponseError):
        return isinstance(cause, AWAY)
    try:
        with store_errors():
            raise cause
    except ResponseError:
        return False
    except (StoreAway, StoreRefused):
        return True


def _publish(given: Any, argument: object, request: Message, seed: str, **more: Any) -> Any:  # noqa: ANN401
    """Publish one signature, under an id made of `seed`, and list it as one of the task's children.

    Returns the exception if the signature cannot be published, else None.

    Raises:
        OperationalError, RedisError, OSError: the store is away.
    """
    ids = {"parent_id": request.id, "root_id": request.root_id or request.id}
    try:
        link = app.signature(given, app=app)
        if seed and not isinstance(link, group) and "task_id" not in link.options:
            link.set(task_id=str(uuid5(NAMESPACE_OID, seed)))
        request.children.append(link.apply_async((argument,), **more, **ids))
    except Exception as exc:
        # kombu makes an OperationalError also of a name that it does not know.
        if _is_away(exc.__cause__ or exc):
            raise
        get_logger().error("link.failed", task=request.id, error=type(exc).__name__)
        return exc
    return None
