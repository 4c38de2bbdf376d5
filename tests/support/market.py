"""A provider as a model: it knows what it was bought for, and ends a task when it is told to."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from odd_provider import LOST, Tasks, accept, data, errors, result, running

from tasks.job import Record
from tasks.store import Store
from tasks.wire.answer import Item, items, parse

REFUSAL = "concurrentRequestLimitExceeded"
COST = 500_000_000
"""What one result costs, in nano-dollars (odd_provider.result)."""


@dataclass
class Purchase:
    """A task that was bought, and what became of it."""

    job: str
    task_uuid: str
    expected: int
    good: int | None = None  # results, once it has ended
    code: str = ""  # of the error in place of those that lack
    is_hidden: bool = False  # polls do not show that it failed

    @property
    def has_failed(self) -> bool:
        """Whether it is over, and brought nothing."""
        return self.good == 0


@dataclass
class Market:
    """What a provider does with what it is sent.

    Args:
        memory: How long a used taskUUID is known: 'forever', 'running' or 'never'.
        shows_running: Whether polls tell of tasks that run.
        names_unknown: Whether polls name what was never bought, as not found.
        jobs: Returns the records, of which a taskUUID is one's.
        may_buy: Is asked at each purchase, with what was bought for the job before.
    """

    memory: str
    shows_running: bool
    names_unknown: bool
    jobs: Callable[[], list[Record]]
    may_buy: Callable[[str, list[Purchase]], None]
    bought: list[Purchase] = field(default_factory=list)
    callbacks: list[tuple[str, Item]] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)  # jobs by taskUUID, as they were once
    post: str = "taken"  # what becomes of the next POST
    meanwhile: Callable[[], None] = lambda: None  # what happens before it is answered
    poll_mode: str = "whole"

    def last(self, task_uuid: str) -> Purchase | None:
        """Return what was bought last under a taskUUID."""
        under = [one for one in self.bought if one.task_uuid == task_uuid]
        return under[-1] if under else None

    @property
    def under_way(self) -> list[Purchase]:
        """What has not ended yet."""
        return [one for one in self.bought if one.good is None]

    def submit(self, tasks: Tasks) -> tuple[int, str]:
        """Answer a POST."""
        how, self.post = self.post, "taken"
        if how == "refused":
            for task in tasks:
                self._call_back(task["taskUUID"], _error(task["taskUUID"], REFUSAL))
            return 429, errors(tasks, REFUSAL)
        conflicts = [] if how in {"lost", "faulty"} else [t for t in tasks if not self._buy(t)]
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        if how in {"lost", "bought and lost"}:
            return LOST
        if how in {"faulty", "bought and faulty"}:
            return 500, errors(tasks, "providerError")
        if not conflicts:
            return accept(tasks)
        told = json.loads(errors(conflicts, "conflictTaskUUID"))
        taken = json.loads(accept([task for task in tasks if task not in conflicts])[1])
        return 200, json.dumps(told | taken)

    def poll(self, tasks: Tasks) -> str | tuple[int, str]:
        """Answer a poll."""
        if self.poll_mode == "lost":
            return LOST
        asked = tasks[:1] if self.poll_mode == "first only" else tasks
        told = [each for task in asked for each in self._state(task)]
        good = [each for each in told if '"code"' not in each]
        bad = [each for each in told if '"code"' in each]
        return f'{data(*good)[:-1]},"errors":[{",".join(bad)}]}}'

    def end(self, one: Purchase, good: int, code: str, *, hidden: bool) -> None:
        """Let a task end with so many results, and call back for each."""
        one.good, one.code, one.is_hidden = good, code, hidden
        for told in self._results(one):
            self._call_back(one.task_uuid, told)

    def _buy(self, task: dict[str, object]) -> bool:
        name = str(task["taskUUID"])
        known = self.last(name)
        is_used = known is not None and (self.memory == "forever" or known.good is None)
        if is_used and self.memory != "never":
            return False
        job = self._job_of(name)
        self.may_buy(job, [one for one in self.bought if one.job == job])
        self.bought.append(Purchase(job, name, int(str(task.get("numberResults", 1)))))
        return True

    def _job_of(self, task_uuid: str) -> str:
        if task_uuid not in self.owners:
            self.owners |= {a.task_uuid: one.id for one in self.jobs() for a in one.attempts}
        return self.owners[task_uuid]

    def _state(self, task: dict[str, object]) -> list[str]:
        one = self.last(str(task["taskUUID"]))
        if one is None and self.names_unknown:
            return [_error(str(task["taskUUID"]), "taskNotFound")]
        if one is None or one.is_hidden:
            return []
        if one.good is None:
            return [running(task)] if self.shows_running else []
        return self._results(one)

    def _results(self, one: Purchase) -> list[str]:
        task = {"taskUUID": one.task_uuid}
        number = self.bought.index(one)
        good = [result(task, f"{number} {n}") for n in range(one.good or 0)]
        bad = [_error(one.task_uuid, one.code)] * (one.expected - len(good))
        return good + bad

    def _call_back(self, task_uuid: str, told: str) -> None:
        self.callbacks.append((self._job_of(task_uuid), items(parse(told.encode()))[0]))


def _error(task_uuid: str, code: str) -> str:
    told = {"taskUUID": task_uuid, "status": "error", "code": code, "message": "no"}
    return json.dumps(told)


MOMENTS = re.compile(rb"q|e|l|ls|xt|lp|cu|(u|e|l|ca)\d+")
"""Fields of a record that are times."""
BY_TIME = ("due", "later", "leases", "slots", "paused")


def age(store: Store, jobs: list[str], seconds: float) -> None:
    """Let time pass: all that the store knows happened so much earlier."""
    by, client = round(seconds * 1000), store.client
    for job in jobs:
        key = store.keys("job", job)
        for name, value in client.hgetall(key).items():
            if value and MOMENTS.fullmatch(name):
                client.hincrby(key, name, -by)
    for name in BY_TIME:
        for member in client.zrange(store.keys(name), 0, -1):
            client.zincrby(store.keys(name), -by, member)
    for name in ("taken", "refused", "doubt", "calm", "loss"):
        if client.hexists(store.keys("meta"), name):
            client.hincrby(store.keys("meta"), name, -by)
    for batch in client.zrange(store.keys("batches"), 0, -1):
        client.hincrby(store.keys("batch", batch.decode()), "created", -by)
