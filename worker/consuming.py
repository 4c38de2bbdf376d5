"""Taking messages from the queue: one that nobody can read is dropped, and stops nothing.

Celery's own consumer ends at a message that is none of kombu's, or has headers of another type than
they should be, and the broker hands it to the next worker, and to the next. Others fail while their
failure is told and are never acknowledged, and a few of them are all that a worker may hold. Who
writes such knows the store's password; but no message stops us.

Nor does a store that refuses a command: one that is full, or loads, or was demoted, or takes a
right from us for a while. To kombu that is an error of ours, which ends a worker; here it is a lost
connection, and a message that was taken but cannot be noted is put back. A store that was demoted
closes none: ours are left for where its name leads to.
"""

import json
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from itertools import chain
from typing import Any

import redis
from celery import signature
from celery.backends.redis import RedisBackend
from celery.worker.consumer import Consumer
from kombu.exceptions import ContentDisallowed, DecodeError
from kombu.transport.redis import Channel, QoS, Transport
from structlog import get_logger

from tasks.connection import Client

FAULTS = (
    *(TypeError, ValueError, LookupError, AttributeError, RecursionError),
    *(DecodeError, ContentDisallowed),
)
"""What reading a bad message raises; nothing of connections or pools."""

LONGEST_ID = 256
"""Of a task: it stands in the name of a key."""

PUT_BACK = "#!lua flags=allow-oom\nredis.call('RPUSH', KEYS[1], ARGV[1])"
"""Puts a message back to where it was just taken from, also where the store is full."""

AGAIN = 1.0
"""Seconds until a store that refused a command is asked again."""


class PatientConsumer(Consumer):
    """Celery's consumer, which outlives any message, and any word of the store."""

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Say so, and let a store that refuses have a moment."""
        super().on_connection_error_before_connected(exc)
        _rest(exc)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Do the same."""
        super().on_connection_error_after_connected(exc)
        _rest(exc)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:  # noqa: ANN401  Celery's signature
        """Return what is called for each message."""
        handle = super().create_task_handler(*args, **kwargs)

        def handle_or_drop(message: Any) -> None:  # noqa: ANN401  kombu's
            try:
                _check(message)
                handle(message)
            except FAULTS as exc:
                _tell(exc)
                if not message.acknowledged:  # a failure to tell a failure: it is rejected already
                    message.reject_log_error(get_logger(), self.connection_errors)

        return handle_or_drop


class PatientQoS(QoS):
    """kombu's notes of what was taken and is not acknowledged; what cannot be noted is put back."""

    def append(self, message: Any, delivery_tag: str) -> None:  # noqa: ANN401  kombu's
        """Note a message.

        Raises:
            redis.ResponseError: the store refuses, for it is full say.
        """
        try:
            super().append(message, delivery_tag)  # type: ignore[no-untyped-call]
        except redis.ResponseError:
            self.channel.put_back(message)
            raise

    def restore_unacked(self, client: Any = None) -> Any:  # noqa: ANN401  kombu's
        """Put back what was taken and not acknowledged.

        Of a connection that kombu has given up already there is no way to the store any more; to
        ask for one would end the worker. What was taken is handed out again when its time is over.
        """
        if self.channel.connection.client is None:
            self._delivered.clear()
            return None
        return super().restore_unacked(client)  # type: ignore[no-untyped-call]


class PatientChannel(Channel):
    """kombu's channel, which passes over what it cannot make a message of."""

    QoS = PatientQoS

    def put_back(self, message: Any) -> None:  # noqa: ANN401  kombu's
        """Put a message back to where it was just taken from, as kombu finds the place."""
        raw, place = message._raw, message.delivery_info  # noqa: SLF001  kombu's own way
        priority = self._get_message_priority(raw, reverse=False)  # type: ignore[no-untyped-call]
        with self.conn_or_acquire() as client:
            for queue in self._lookup(place["exchange"], place["routing_key"]):  # type: ignore[no-untyped-call]
                key = self._q_for_pri(queue, priority)  # type: ignore[no-untyped-call]
                client.eval(PUT_BACK, 1, key, json.dumps(raw))

    def _get_client(self) -> type[redis.Redis]:
        return Client

    def _brpop_read(self, **options: Any) -> Any:  # noqa: ANN401  kombu's
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except FAULTS as exc:
            _tell(exc)
            return True


class PatientTransport(Transport):
    """kombu's transport with channels of ours, which takes a refusal for a lost connection."""

    Channel = PatientChannel
    connection_errors = (*Transport.connection_errors, redis.ResponseError)


class Results(RedisBackend):
    """Celery's results, by connections that leave a store which was demoted."""

    def _get_client(self) -> type[redis.Redis]:
        return Client


def _rest(exc: Exception) -> None:
    """Wait where the store answers, but not as it should: it would be asked without end."""
    if isinstance(exc, redis.ResponseError):
        time.sleep(AGAIN)


def _check(message: Any) -> None:  # noqa: ANN401  kombu's
    """See that what Celery takes for granted is there; the rest it looks at itself.

    Raises:
        ValueError, TypeError: it is not (of the former UnicodeEncodeError is one).
        DecodeError, ContentDisallowed: the body cannot be read.
    """
    headers = message.headers
    if "task" not in headers:  # of Celery 3, whose messages have all in the body, or of nobody
        raise ValueError("the headers name no task")
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
