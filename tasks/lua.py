"""The Lua scripts: one library of functions, run by file name, one at a time or pipelined.

A function costs the store a twentieth of what a script does that has to set up the same prelude.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha1
from importlib.resources import files
from time import monotonic
from typing import Any

import redis

from tasks import moves
from tasks.connection import NOT_LOADED, is_demoted, store_errors
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
        if any(map(is_demoted, answers)):
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
        if not connection.is_connected:
            connection.connect()  # here, so that one which took too long stays open
        return connection

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
    return isinstance(answer, redis.ResponseError) and str(answer).startswith(NOT_LOADED)
