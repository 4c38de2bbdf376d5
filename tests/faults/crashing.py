"""Runs a worker or a door of ours that dies at a named point, or whose store fails now and then.

`python crashing.py worker.__main__`, with in the environment: CRASH_AT, `before:` or `after:` and
a script, POST, getResponse or a name of CELERY; CRASH_MARK, a file that says it has happened, so
that it happens once; CRASH_BY=stop, to be stopped there instead, and to touch that file with
`.done` once what comes next was done; FLAKY, the shares of calls to the store that fail before, and
after, they were carried out. The product knows nothing of this: the calls are wrapped here, in a
process that only tests start.
"""

import os
import random
import runpy
import signal
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import redis

from tasks.lua import Scripts
from tasks.provider import Provider

FROM = {"claim": 4, "claim_due": 2}
"""Scripts that are asked often for nothing: only an answer with more items than this counts."""

CELERY = {
    "answered": "tasks.callers:answered",
    "chord": "celery.backends.redis:RedisBackend.on_chord_part_return",
    "publish": "celery.app.amqp:AMQP._retry_publish",
}
"""Steps by which Celery's callers are told, and where each is."""

stopped = set[int]()
"""The thread that was stopped."""


def reached(when: str, *names: str) -> None:
    """Die here, if this is the point."""
    point, mark = os.environ.get("CRASH_AT", ""), Path(os.environ.get("CRASH_MARK", os.devnull))
    if when == "after" and threading.get_ident() in stopped:
        mark.with_suffix(".done").touch()
    if point in {f"{when}:{name}" for name in names} and not mark.exists():
        mark.touch()
        if os.environ.get("CRASH_BY") == "stop":
            stopped.add(threading.get_ident())
            os.kill(os.getpid(), signal.SIGSTOP)
        else:
            os._exit(137)


def dying_script(run: Callable[..., Any]) -> Callable[..., Any]:
    def one(self: Scripts, name: str, *args: Any) -> Any:  # noqa: ANN401 - as it is
        reached("before", name)
        answer = run(self, name, *args)
        if name not in FROM or len(answer) > FROM[name]:
            reached("after", name)
        return answer

    return one


def dying_scripts(run_all: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    def several(self: Scripts, calls: Any) -> list[Any]:  # noqa: ANN401 - as it is
        names = [name for name, _ in calls]
        reached("before", *names)
        answers = run_all(self, calls)
        reached("after", *names)
        return answers

    return several


def dying_exchange(name: str, exchange: Callable[..., Any]) -> Callable[..., Any]:
    def run(self: Provider, *what: Any) -> Any:  # noqa: ANN401 - as it is
        reached("before", name)
        answer = exchange(self, *what)
        reached("after", name)
        return answer

    return run


def dying_step(name: str, place: str) -> None:
    module, _, path = place.partition(":")
    *parents, last = path.split(".")
    owner = import_module(module)
    for parent in parents:
        owner = getattr(owner, parent)
    step = getattr(owner, last)

    def run(*what: Any, **more: Any) -> Any:  # noqa: ANN401 - as it is
        reached("before", name)
        answer = step(*what, **more)
        reached("after", name)
        return answer

    setattr(owner, last, run)


def flaky(send: Callable[..., Any], before: float, after: float) -> Callable[..., Any]:
    def run(self: Scripts, calls: Any) -> Any:  # noqa: ANN401 - as it is
        drawn = random.random()
        if drawn < before:
            raise redis.ConnectionError
        answers = send(self, calls)
        if drawn > 1 - after:
            raise redis.TimeoutError
        return answers

    return run


if __name__ == "__main__":
    Scripts.run = dying_script(Scripts.run)  # type: ignore[method-assign]
    Scripts.run_all = dying_scripts(Scripts.run_all)  # type: ignore[method-assign]
    Provider.submit = dying_exchange("POST", Provider.submit)  # type: ignore[method-assign]
    Provider.poll = dying_exchange("getResponse", Provider.poll)  # type: ignore[method-assign]
    for step, its_place in CELERY.items() if sys.argv[1].startswith("worker") else ():
        dying_step(step, its_place)
    if shares := os.environ.get("FLAKY"):
        Scripts._send = flaky(Scripts._send, *map(float, shares.split(",")))  # type: ignore[method-assign]  # noqa: SLF001
    runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=False)
