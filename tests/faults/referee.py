"""Compares our records with what really happened, by the simulator's truth table."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from core_driver import audit, record
from simulator_driver import Simulator
from stage_driver import sha256

from tasks import reading_results
from tasks.job import ENDED, Record
from tasks.store import Store
from tasks.wire.answer import Kind


@dataclass(frozen=True)
class Score:
    """What a case has cost; all but `jobs` must be nothing."""

    jobs: int
    lost: int  # results that the provider made and no record has
    doubled: int  # results of a record that the provider did not make
    twice: int  # purchases beyond the first of a job, where no earlier one is known to have failed
    nano: int  # nano-dollars between what was charged and what the records say
    unlike: int  # submissions of a taskUUID with other bytes than the first
    moving: int  # jobs that have not ended, and tasks that run at the provider

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, doubled, or bought twice, and all is over."""
        wrong = (self.lost, self.doubled, self.twice, self.nano, self.unlike, self.moving)
        return not any(wrong)


def score(
    store: Store, simulator: Simulator, jobs: Sequence[str], *, by_user: bool = False
) -> Score:
    """Hold the records of these jobs against the truth, to the last result and nano-dollar.

    Args:
        store: Where the records are.
        simulator: Who knows the truth.
        jobs: All there are.
        by_user: Whether the user had jobs sent again: that may buy them again, no taskUUID twice.
    """
    records = [record(store, job) for job in jobs]
    truth = {task["taskUUID"]: task for task in simulator.truth("?tasks=1")["tasks"]}
    bought = {name: task for name, task in truth.items() if task["purchases"]}
    kept = _kept(store, records)
    lost = doubled = 0
    for name in bought.keys() | kept.keys():
        made = Counter(_made(bought[name])) if name in bought else Counter[str | None]()
        have = kept.get(name, Counter())
        lost += (made - have).total()
        doubled += (have - made).total()
    known = {a.task_uuid: a.cost for one in records for a in one.attempts}
    charged = {name: task["charged_nano"] for name, task in bought.items()}
    return Score(
        jobs=len(jobs),
        lost=lost,
        doubled=doubled,
        twice=sum(
            sum(bought[a.task_uuid]["purchases"] - 1 for a in one.attempts if a.task_uuid in bought)
            if by_user
            else _twice(one, bought)
            for one in records
        )
        + len(bought.keys() - known.keys()),
        nano=sum(abs(known.get(n, 0) - charged.get(n, 0)) for n in known.keys() | charged.keys()),
        unlike=_unlike(simulator, bought.values()),
        moving=sum(one.state not in ENDED for one in records) + simulator.totals()["running"],
    )


def balance(store: Store, jobs: Sequence[str]) -> None:
    """Recount the store's own books."""
    audit(store, jobs)


def _made(task: dict[str, Any]) -> list[str | None]:
    return [result["text_sha256"] for result in task["results"] if result["kind"] == "success"]


def _kept(store: Store, records: Sequence[Record]) -> dict[str, Counter[str | None]]:
    attempts = [(one, a) for one in records for a in one.attempts]
    found = reading_results.results(store, [(one, a.number) for one, a in attempts])
    return {
        a.task_uuid: Counter(sha256(i.raw["text"]) for i in items if i.kind is Kind.SUCCESS)
        for (_, a), items in zip(attempts, found, strict=True)
        if items
    }


def _twice(one: Record, bought: dict[str, dict[str, Any]]) -> int:
    """Count purchases of a job of which no more than one may be not known to have failed.

    One that failed later than the next was bought was not known to have failed.
    """
    tasks = [bought[a.task_uuid] for a in one.attempts if a.task_uuid in bought]
    purchases = sum(task["purchases"] for task in tasks)
    failed = sum(task["state"] == "error" and task["purchases"] == 1 for task in tasks)
    early = sum(
        before["finished_at"] is None or before["finished_at"] > after["accepted_at"]
        for before, after in pairwise(tasks)
    )
    return max(early, purchases - failed - 1)


def _unlike(simulator: Simulator, tasks: Iterable[dict[str, Any]]) -> int:
    resent = [task["taskUUID"] for task in tasks if task["submissions"] > 1]
    told = [simulator.truth(f"/{name}")["submissions"] for name in resent]
    return sum(len({one["sha256"] for one in submissions}) > 1 for submissions in told)
