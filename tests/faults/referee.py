"""Compares our records with what really happened, by the simulator's truth table."""

import base64
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from core_driver import audit, record
from simulator_driver import Simulator
from stage_driver import sha256

from tasks import reading_results
from tasks.job import ENDED, Record, State
from tasks.store import Store
from tasks.wire.answer import Item, Kind

Truth = Mapping[str, dict[str, Any]]
"""What was bought, by taskUUID."""


@dataclass(frozen=True)
class Score:
    """What a case has cost; all but `jobs` must be nothing."""

    jobs: int
    lost: int  # results that the provider made and no record has
    doubled: int  # results of a record that the provider did not make
    twice: int  # purchases beyond the first of a job, where no earlier one is known to have failed
    nano: int  # nano-dollars between what was charged and what the records say
    untrue: int  # jobs whose state, or whose texts in the user's table, are not what really is
    unlike: int  # submissions of a taskUUID with another request than the first
    moving: int  # jobs not ended or settled, tasks that run, callbacks that are still to come

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, doubled, or bought twice, all is over, and is told truly."""
        wrong = (self.lost, self.doubled, self.twice, self.nano, self.untrue, self.unlike)
        return not any((*wrong, self.moving))


def score(
    store: Store,
    simulator: Simulator,
    jobs: Sequence[str],
    *,
    retried: int | None = None,
    lost: bool = False,
) -> Score:
    """Hold the records of these jobs against the truth, to the last result and nano-dollar.

    Args:
        store: Where the records are.
        simulator: Who knows the truth.
        jobs: All there are.
        retried: How many jobs the user had sent again, where the user gave any up: each may be
            bought once more, no taskUUID twice; and what the user wants is no state of the truth.
        lost: Whether the store has lost history: what a POST was frozen to is lost with it, so that
            it may be sent again with another expiry in its callback's token, and no other change.
    """
    records = [record(store, job) for job in jobs]
    bought = _bought(simulator)
    kept = _kept(store, records)
    missing = doubled = 0
    for name in bought.keys() | kept.keys():
        made, have = Counter(_made(bought.get(name))), kept.get(name, Counter())
        missing += (made - have).total()
        doubled += (have - made).total()
    known = {a.task_uuid: a.cost for one in records for a in one.attempts}
    charged = {name: task["charged_nano"] for name, task in bought.items()}
    twice = _twice(records, bought) if retried is None else _twice_by_user(records, bought, retried)
    totals = simulator.totals()
    coming = totals["running"] + totals["webhooks_pending"]
    return Score(
        jobs=len(jobs),
        lost=missing,
        doubled=doubled,
        twice=twice + len(bought.keys() - known.keys()),
        nano=sum(abs(known.get(n, 0) - charged.get(n, 0)) for n in known.keys() | charged.keys()),
        untrue=_untrue(store, records, bought) if retried is None else 0,
        unlike=_unlike(simulator, bought.values(), lost=lost),
        moving=sum(one.state not in ENDED for one in records) + store.outlook().endings + coming,
    )


def unkept(store: Store, simulator: Simulator, jobs: Sequence[str]) -> int:
    """Count results whose webhook the door acknowledged, and that no record has at this moment.

    The door may keep only one of several that are alike.
    """
    told = {  # before the records: what is acknowledged after it is not asked for
        name: {sha for sha, result in _good(task) if result["webhooks"]["acknowledged"]}
        for name, task in _bought(simulator).items()
    }
    kept = _kept(store, [record(store, job) for job in jobs])
    return sum(len(texts - kept.get(name, Counter()).keys()) for name, texts in told.items())


def balance(store: Store, jobs: Sequence[str]) -> None:
    """Recount the store's own books."""
    audit(store, jobs)


def _bought(simulator: Simulator) -> Truth:
    tasks = simulator.truth("?tasks=1")["tasks"]
    return {task["taskUUID"]: task for task in tasks if task["purchases"]}


def _good(task: Mapping[str, Any]) -> list[tuple[str | None, dict[str, Any]]]:
    return [(one["text_sha256"], one) for one in task["results"] if one["kind"] == "success"]


def _made(task: Mapping[str, Any] | None) -> list[str | None]:
    return [sha for sha, _ in _good(task)] if task else []


def _texts(items: Iterable[Item]) -> Counter[str | None]:
    return Counter(sha256(item.raw["text"]) for item in items if item.kind is Kind.SUCCESS)


def _kept(store: Store, records: Sequence[Record]) -> dict[str, Counter[str | None]]:
    attempts = [(one, a) for one in records for a in one.attempts]
    found = reading_results.results(store, [(one, a.number) for one, a in attempts])
    return {
        a.task_uuid: _texts(items) for (_, a), items in zip(attempts, found, strict=True) if items
    }


def _twice(records: Sequence[Record], bought: Truth) -> int:
    """Count purchases of a job before which an earlier one was not known to have failed.

    Whether it was to fail is not asked, but whether it had when the next was bought.
    """
    attempts = [
        [bought[a.task_uuid] for a in one.attempts if a.task_uuid in bought] for one in records
    ]
    early = sum(
        not _had_failed(before, after["accepted_at"])
        for tasks in attempts
        for before, after in pairwise(tasks)
    )
    return early + _again(attempts)


def _had_failed(task: Mapping[str, Any], moment: float) -> bool:
    is_over = task["finished_at"] is not None and task["finished_at"] <= moment
    return is_over and task["state"] == "error"


def _twice_by_user(records: Sequence[Record], bought: Truth, retried: int) -> int:
    """Count taskUUIDs bought again, or purchases that neither a failure nor the user asked for."""
    attempts = [
        [bought[a.task_uuid] for a in one.attempts if a.task_uuid in bought] for one in records
    ]
    tasks = [task for of_one in attempts for task in of_one]
    failed = sum(task["state"] == "error" for task in tasks)
    return max(_again(attempts), len(tasks) - len(records) - retried - failed)


def _again(attempts: Iterable[Sequence[Mapping[str, Any]]]) -> int:
    return sum(task["purchases"] - 1 for tasks in attempts for task in tasks)


def _untrue(store: Store, records: Sequence[Record], bought: Truth) -> int:
    """Count jobs whose state or texts are not those of what was bought; the user's word stands."""
    shown = reading_results.answers(store, records)
    return sum(
        one.state is not State.CANCELLED
        and (one.state is not _should_be(one, bought) or _texts(items) != _winners(one, bought))
        for one, items in zip(records, shown, strict=True)
    )


def _should_be(one: Record, bought: Truth) -> State:
    ends = {bought[a.task_uuid]["state"] for a in one.attempts if a.task_uuid in bought}
    if "success" in ends:
        return State.COMPLETED
    return State.PARTIAL if "partial" in ends else State.FAILED


def _winners(one: Record, bought: Truth) -> Counter[str | None]:
    return Counter(_made(bought.get(one.task_uuid)))


def _unlike(simulator: Simulator, tasks: Iterable[Mapping[str, Any]], *, lost: bool) -> int:
    resent = [task["taskUUID"] for task in tasks if task["submissions"] > 1]
    told = [simulator.truth(f"/{name}")["submissions"] for name in resent]
    return sum(len({_request(one, lost=lost) for one in several}) > 1 for several in told)


def _request(submission: Mapping[str, Any], *, lost: bool) -> str:
    """Return what is to be alike of all submissions of a task."""
    if not lost or submission["body_base64"] is None:
        return str(submission["sha256"])
    body = json.loads(base64.b64decode(submission["body_base64"]))
    return json.dumps(body | {"webhookURL": ""}, sort_keys=True)
