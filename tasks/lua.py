"""The Lua scripts: one library of functions, run by file name, one at a time or pipelined.

A function costs the store a twentieth of what a script does that has to set up the same prelude.
"""

import ssl
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha1
from importlib.resources import files
from time import monotonic
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tasks import moves
from tasks.errors import StoreAway, StoreRefused
from tasks.keys import Keys

Argument = str | int | float | bytes
Call = tuple[str, Sequence[Argument]]
"""Name of a script, and its arguments."""

SEVERAL = "several"
"""The function that runs several scripts in one run, and writes what they add up once."""

TOGETHER = 16
"""Scripts of one run, which hold up the store for a millisecond at most."""

PRELUDE = ("prelude", "prelude_books", "prelude_moves", "prelude_results", "prelude_rows")
"""What stands before the scripts, in this order, after the keys and the table of moves."""

VERSION = "@version@"
"""Placeholder in the library's source; what replaces it tells versions and namespaces apart."""

FREEING = frozenset(
    {"prune", "settled", "sweep", "unquarantine", "cancel", "cancel_pass", "cancel_batch"}
)
"""Scripts that free memory, or let it be freed: a store that is full runs them all the same."""

FRESH = 0.05
"""Idle seconds after which a connection is checked before use; no store restarts in less."""

_NOT_LOADED = "Function not found"

_UNWRITABLE = (
    *("OOM", "MISCONF", "READONLY", "LOADING", "BUSY", "MASTERDOWN", "NOREPLICAS", "UNBLOCKED"),
    _NOT_LOADED,  # lost again right after it was loaded
)
_AWAY = (
    *(redis.ConnectionError, redis.TimeoutError, redis.exceptions.InvalidResponse),
    redis.exceptions.ClusterDownError,
)
_DEMOTED = (redis.ReadOnlyError, redis.exceptions.MasterDownError)
_FULL = (redis.OutOfMemoryError, redis.ReadOnlyError)
_FORBIDDEN = "ACL failure in script"
_UNKNOWN = "unknown command"
_UNUSABLE = {
    "DB index is out of range": "end REDIS_URL with the number of a database that it has, as /0",
    "DENIED": "set requirepass there, and :PASSWORD@ in REDIS_URL",  # protected mode
}
"""What a server says to who connects, by its beginning; and the fix."""


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
        if _is_demoted(exc):
            pool.disconnect(inuse_connections=False)
        raise


def _is_demoted(answer: object) -> bool:
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
    except _AWAY as exc:
        raise StoreAway(f"the store does not answer: {_why(exc)}") from exc
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


class Scripts:
    """All scripts of one namespace."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client: Any = client  # redis-py leaves its commands half typed
        self._own = threading.local()
        folder = files("tasks.scripts")
        prelude = [folder.joinpath(f"{name}.lua").read_text("utf-8") for name in PRELUDE]
        scripts = {
            entry.name.removesuffix(".lua"): entry.read_text("utf-8")
            for entry in folder.iterdir()
            if entry.name.endswith(".lua") and not entry.name.startswith("prelude")
        }
        bodies = [_function(name, scripts[name]) for name in sorted(scripts)]
        several = _several(sorted(scripts))
        source = "\n".join([keys.as_lua(), moves.as_lua(), *prelude, *bodies, several])
        # Names of functions are global in a store, so that each version of the code has its own.
        self._version = sha1(source.encode(), usedforsecurity=False).hexdigest()[:16]
        source = source.replace(VERSION, self._version)
        self._library = f"#!lua name=reelqueue_{self._version}\n{source}"

    def run(self, name: str, *args: Argument) -> Any:  # noqa: ANN401  scripts answer differently
        """Run one script.

        Raises:
            StoreAway: where the store did not answer or cannot write.
        """
        with store_errors():
            (answer,) = self._answered([(name, args)])
            if isinstance(answer, Exception):
                raise answer
        return answer

    def run_all(self, calls: Sequence[Call]) -> list[Any]:
        """Run scripts in one round trip, in order, `TOGETHER` of them in one run.

        One that goes wrong takes no other with it; what went wrong first is raised after all.

        Raises:
            StoreAway: as of `run`.
        """
        with store_errors():
            told = self._answered([_together(some) for some in _portions(calls)])
            answers = [answer for some in told for answer in _each(some)]
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
        return answers

    def _answered(self, calls: Sequence[Call]) -> list[Any]:
        answers = self._send(calls)
        missing = [i for i, answer in enumerate(answers) if _is_missing(answer)]
        if missing:  # a new store, or one that has lost them
            self._load()
            for i, answer in zip(missing, self._send([calls[i] for i in missing]), strict=True):
                answers[i] = answer
        return answers

    def _send(self, calls: Sequence[Call]) -> list[Any]:
        commands = [("FCALL", f"{name}_{self._version}", 0, *args) for name, args in calls]
        connection = self._connection()
        try:
            connection.send_packed_command(connection.pack_commands(commands))
            answers = [_answer(connection) for _ in commands]
        except BaseException:
            connection.disconnect()  # nobody is left to take the answers that are still to come
            raise
        if any(map(_is_demoted, answers)):
            connection.disconnect()  # its name may lead to another server by now
            self._client.connection_pool.disconnect(inuse_connections=False)
        return answers

    def _connection(self) -> Any:  # noqa: ANN401  any class of connections
        """Return this thread's own: to take one from the pool takes longer than all of `_send`."""
        connection = getattr(self._own, "connection", None)
        if connection is None:
            pool = self._client.connection_pool
            connection = self._own.connection = pool.connection_class(**pool.connection_kwargs)
        elif self._own.until < monotonic() and connection.is_connected and _is_stale(connection):
            connection.disconnect()
        self._own.until = monotonic() + FRESH
        return connection  # connects as it is sent on

    def _load(self) -> None:
        self._client.function_load(self._library, replace=True)


def _answer(connection: Any) -> Any:  # noqa: ANN401  scripts answer differently
    try:
        return connection.read_response()
    except redis.ResponseError as exc:  # of this one; the others have answers of their own
        return exc


def _is_stale(connection: Any) -> bool:  # noqa: ANN401  any class of connections
    """Whether the store has closed it since, which would cost the next command its answer."""
    try:
        return bool(connection.can_read())  # nothing is to come
    except redis.ConnectionError:
        return True


def _portions(calls: Sequence[Call]) -> Iterator[Sequence[Call]]:
    for start in range(0, len(calls), TOGETHER):
        yield calls[start : start + TOGETHER]


def _together(calls: Sequence[Call]) -> Call:
    return SEVERAL, [part for name, args in calls for part in (name, len(args), *args)]


def _each(answer: Any) -> Sequence[Any]:  # noqa: ANN401  scripts answer differently
    """Return the answers of one run; an error of the whole run is the one answer."""
    return [answer] if isinstance(answer, Exception) else answer


def _function(name: str, script: str) -> str:
    called = f"callback = function(_, ARGV) return run({name}_, ARGV) end"
    flags = "flags = {'allow-oom'}, " if name in FREEING else ""
    known_as = f"redis.register_function{{function_name = '{name}_{VERSION}', {flags}{called}}}"
    return f"local function {name}_(ARGV)\n{script}\nend\n{known_as}"


def _several(names: Iterable[str]) -> str:
    known = ", ".join(f"{name} = {name}_" for name in names)
    called = f"function(_, ARGV) return run_several({{{known}}}, ARGV) end"
    return f"redis.register_function('{SEVERAL}_{VERSION}', {called})"


def _is_missing(answer: object) -> bool:
    return isinstance(answer, redis.ResponseError) and str(answer).startswith(_NOT_LOADED)
