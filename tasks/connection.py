"""The connection to the store: no command is sent twice, and its errors are told in our words."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from tasks.errors import StoreAway, StoreRefused

NOT_LOADED = "Function not found"
"""What a server says that has not our scripts, by its beginning."""

_UNWRITABLE = (
    *("OOM", "MISCONF", "READONLY", "LOADING", "BUSY", "MASTERDOWN", "NOREPLICAS", "UNBLOCKED"),
    NOT_LOADED,  # lost again right after it was loaded
)
_AWAY = (
    *(redis.ConnectionError, redis.TimeoutError, redis.exceptions.InvalidResponse),
    redis.exceptions.ClusterDownError,
)
_CROWDED = "max number of clients reached"
_DEMOTED = (redis.ReadOnlyError, redis.exceptions.MasterDownError)
_FULL = (redis.OutOfMemoryError, redis.ReadOnlyError)
_FORBIDDEN = "ACL failure in script"
_UNKNOWN = "unknown command"
_UNUSABLE = {
    "DB index is out of range": "end REDIS_URL with the number of a database that it has, as /0",
    "DENIED": "set requirepass there, and :PASSWORD@ in REDIS_URL",  # protected mode
}
"""What a server says to who connects, by its beginning; and the fix."""


SILENT = "the store does not answer"
"""Beginning of the words where it is not the store that said what is wrong."""

Unforeseen = redis.ResponseError
"""What a server answers that `store_errors` has no words for."""


class Client(redis.Redis):
    """A client that reconnects when its server is demoted, for that closes no connection."""

    def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401  redis-py's own
        """Run a command."""
        with _left_where_demoted(self.connection_pool):
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: Any = True, shard_hint: Any = None) -> Any:  # noqa: ANN401, FBT002  the same
        """Return a pipeline that does so too."""
        return _Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class _Pipeline(redis.client.Pipeline):
    def execute(self, raise_on_error: Any = True) -> Any:  # noqa: ANN401, FBT002  redis-py's own
        with _left_where_demoted(self.connection_pool):
            return super().execute(raise_on_error)


@contextmanager
def _left_where_demoted(pool: redis.ConnectionPool) -> Iterator[None]:
    try:
        yield
    except redis.RedisError as exc:
        if is_demoted(exc):
            pool.disconnect(inuse_connections=False)
        raise


def is_demoted(answer: object) -> bool:
    """Whether the server was demoted to a replica.

    Blocked commands get UNBLOCKED instead of READONLY.
    """
    return isinstance(answer, _DEMOTED) or (
        isinstance(answer, redis.ResponseError) and str(answer).startswith("UNBLOCKED")
    )


def connect(url: str, timeout: float) -> redis.Redis:
    """Return a client that gives up after `timeout` seconds and never sends a command twice.

    redis-py's own default is to retry, which applies a write twice when an answer was slow.
    """
    return Client.from_url(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=min(timeout, 2.0),
        retry=Retry(NoBackoff(), 0),
        health_check_interval=30,
        # Else three more answers are awaited before the first command; and by the second a server
        # may have a client wait longer than it was told to.
        driver_info=None,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn what redis-py raises into StoreAway or StoreRefused.

    Raises:
        StoreAway: the store is away, or cannot write.
        StoreRefused: it is too old, has no such database, or its user may not do what we do.
    """
    try:
        yield
    except redis.BusyLoadingError as exc:
        raise StoreAway("the store is loading its data") from exc
    except _AWAY as exc:
        if str(exc).startswith(_CROWDED):
            raise StoreAway(f"the store takes no more connections: {_CROWDED}") from exc
        raise StoreAway(f"{SILENT}: {_why(exc)}") from exc
    except redis.ResponseError as exc:
        if isinstance(exc, _FULL) or str(exc).startswith(_UNWRITABLE):
            raise StoreAway(f"the store cannot write: {str(exc)[:80]}") from exc
        if isinstance(exc, redis.exceptions.NoPermissionError) or _FORBIDDEN in str(exc):
            raise StoreRefused(
                f"the store is refused: its user lacks a right ({str(exc)[:100]}); what is needed: "
                "~* &* +@all -@dangerous +info"
            ) from exc
        if str(exc).startswith(_UNKNOWN):
            found = str(exc).partition(",")[0]
            raise StoreRefused(f"the store is refused: {found}; use Redis 7 or Valkey") from exc
        for said, fix in _UNUSABLE.items():
            if str(exc).startswith(said):
                told = str(exc).partition(".")[0]
                raise StoreRefused(f"the store is refused: {told}; {fix}") from exc
        raise


def _why(exc: Exception) -> str:
    """Return the class of an error, and where TLS is the reason, what that says."""
    match exc.__context__:
        case ssl.SSLCertVerificationError() as untrusted:
            return (
                f"its certificate is not trusted ({untrusted.verify_message.rstrip('.')}); "
                "?ssl_ca_certs=FILE behind REDIS_URL names an authority of your own"
            )
        case ssl.SSLError() as failed:
            return f"{type(exc).__name__}, TLS: {failed.reason or failed}"
    return type(exc).__name__
