"""Taking messages from the queue: one that nobody can read is dropped, and stops nothing.

Celery's own consumer ends at a message that is none of kombu's, or has headers of another type than
they should be, and the broker hands it to the next worker, and to the next. Others fail while their
failure is told and are never acknowledged, and a few of them are all that a worker may hold. Who
writes such knows the store's password; but no message stops us.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from itertools import chain
from typing import Any

from celery import signature
from celery.worker.consumer import Consumer
from kombu.exceptions import ContentDisallowed, DecodeError
from kombu.transport.redis import Channel, Transport
from structlog import get_logger

FAULTS = (
    *(TypeError, ValueError, LookupError, AttributeError, RecursionError),
    *(DecodeError, ContentDisallowed),
)
"""What reading a message raises where that is at fault; nothing of connections or pools."""

LONGEST_ID = 256
"""Of a task: it stands in the name of a key."""


class PatientConsumer(Consumer):
    """Celery's consumer, which outlives any message."""

    def connection_for_read(self, heartbeat: float | None = None) -> Any:  # noqa: ANN401  kombu's
        """Connect, by channels that outlive what is no message at all."""
        connection = self.app.connection_for_read(heartbeat=heartbeat)
        # By name, because remote control tells it as JSON.
        connection.transport_cls = f"{__name__}:PatientTransport"
        return self.ensure_connected(connection)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:  # noqa: ANN401  Celery's signature
        """Return what is called for each message."""
        handle = super().create_task_handler(*args, **kwargs)

        def handle_or_drop(message: Any) -> None:  # noqa: ANN401  kombu's
            try:
                _check(message)
                handle(message)
            except FAULTS as exc:
                _tell(exc)
                message.reject_log_error(get_logger(), self.connection_errors)

        return handle_or_drop


class PatientChannel(Channel):
    """kombu's channel, which passes over what it cannot make a message of."""

    def _brpop_read(self, **options: Any) -> Any:  # noqa: ANN401  kombu's
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except FAULTS as exc:
            _tell(exc)
            return True


class PatientTransport(Transport):
    """kombu's transport with channels of ours."""

    Channel = PatientChannel


def _check(message: Any) -> None:  # noqa: ANN401  kombu's
    """See that what Celery takes for granted is there; the rest it looks at itself.

    Raises:
        ValueError, TypeError: it is not (of the former UnicodeEncodeError is one).
        DecodeError, ContentDisallowed: the body cannot be read.
    """
    headers = message.headers
    if "task" not in headers:  # of Celery 3, or nothing; looked at by Celery
        return
    id_, group = headers.get("id"), headers.get("group")
    match message.payload:
        case [list(), dict(), dict() | None as called]:
            _check_called(called or {})
        case _:
            raise ValueError("the body is no call")
    if not (isinstance(id_, str) and 0 < len(id_) <= LONGEST_ID):
        raise ValueError("the id is none")
    if not isinstance(group, str | None):
        raise TypeError("the group is none")
    f"{id_}{group}".encode()  # a lone surrogate stands in no key


def _check_called(named: Mapping[str, Any]) -> None:
    """See that Celery can make something of what is to be called when the task is over."""
    chord = named.get("chord")
    lists = [named.get(name) or [] for name in ("callbacks", "errbacks", "chain")]
    if not all(isinstance(listed, list) for listed in lists):
        raise TypeError("signatures are no list")
    for given in [*([chord] if chord else []), *chain(*lists)]:
        made = signature(deepcopy(given)) if isinstance(given, dict) else None
        if not (made and isinstance(made.task, str) and isinstance(made.args, list | tuple)):
            raise TypeError("a signature is none")
        if not (isinstance(made.kwargs, dict) and isinstance(made.options, dict)):
            raise TypeError("a signature has no options")


def _tell(exc: Exception) -> None:
    # Of the message nothing: it holds arguments.
    get_logger().error("message.dropped", error=type(exc).__name__)
