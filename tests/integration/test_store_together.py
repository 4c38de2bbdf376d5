"""Moves that run together leave what they leave one by one; one that fails takes no other."""

import uuid
from collections.abc import Callable, Sequence

import pytest
import redis
from core_driver import asked, audit, endings, error, queue, record, row, success, take, verdict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks import reading
from tasks.claims import Due
from tasks.job import State
from tasks.lua import TOGETHER
from tasks.move_calls import Moves
from tasks.store import Store

Answer = Callable[[Moves, str, str, Due], None]

ANSWERS: dict[str, Answer] = {
    "acknowledged": lambda m, job, token, _: m.acknowledge(job, token, 60, ""),
    "refused": lambda m, job, token, _: m.refuse(job, token, 60, "rateLimit", "full"),
    "rejected": lambda m, job, token, _: m.reject(job, token, "unsafe", "no"),
    "lost": lambda m, job, token, _: m.lose(job, token, "", "no answer"),
    "running": lambda m, _, __, ask: m.snooze(ask, 0, 60, "running"),
    "silent": lambda m, _, __, ask: m.snooze(ask, 0, 60, "empty"),
    "half": lambda m, job, _, ask: m.join(
        ask, 0, 60, "", verdict(success(job, "first", 0.3), final=False)
    ),
    "whole": lambda m, job, _, ask: m.join(
        ask, 0, 60, "", verdict(success(job, "first", 0.3), success(job, "second"), final=True)
    ),
    "failed": lambda m, job, _, ask: m.fail(
        ask, ("unsafe", "no"), verdict(error(job, "unsafe"), final=True)
    ),
    "again": lambda m, job, _, ask: m.again(
        ask, str(uuid.UUID(job[:-4] + "0000")), 60, ("busy", ""), verdict(error(job), final=True)
    ),
    "expired": lambda m, _, __, ask: m.expire(ask, 60, "too late"),
    "absent": lambda m, _, __, ask: m.absent(ask, "not there"),
}
"""What may come of a job, in any order, as a provider that makes no sense might tell it."""


def played(store: Store, jobs: int, moves: Sequence[tuple[int, str]], together: int) -> list[str]:
    """Queue and claim jobs, make moves, so many in one round trip; return the jobs."""
    made: list[str] = queue(store, *[row(numberResults=2) for _ in range(jobs)])
    store.client.hset(store.keys("meta"), "window", jobs)
    token, _ = take(store)
    asks = [asked(store, job) for job in made]
    for start in range(0, len(moves), together):
        with store.moves() as collected:
            for number, what in moves[start : start + together]:
                ANSWERS[what](collected, made[number], token, asks[number])
    audit(store, made)
    return made


def seen(store: Store, jobs: Sequence[str]) -> list[object]:
    """Return what there is of jobs, without ids and times."""
    known = [record(store, job) for job in jobs]
    batch = reading.batch(store, known[0].batch)
    assert batch
    told = [
        (
            *(one.state, one.cost, one.flags, one.error_code, one.empties, one.resends, one.winner),
            [(tried.outcome, tried.cost, tried.expected) for tried in one.attempts],
            [(event.what, event.detail, event.times) for event in reading.history(store, one.id)],
            [store.client.zscore(store.keys(name), one.id) is None for name in ("slots", "due")],
        )
        for one in known
    ]
    pace = sum(map(int, store.client.hvals(store.keys("pace", batch.id))))
    return [*told, batch.states, batch.cost, batch.open, last_endings(store, jobs), pace]


def last_endings(store: Store, jobs: Sequence[str]) -> list[bytes | None]:
    """Return what the outbox tells of each job last; twice in one run, it is one entry."""
    last: dict[bytes, bytes] = {}
    for _, told in store.client.xrange(store.keys("ends")):
        last |= told
    return [last.get(job.encode()) for job in jobs]


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(
    moves=st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(sorted(ANSWERS))), min_size=2, max_size=14
    )
)
def test_moves_together_leave_what_they_leave_one_by_one(
    store: Store, moves: list[tuple[int, str]]
) -> None:
    where = store.client.connection_pool.connection_kwargs
    url = f"redis://{where['host']}:{where['port']}/0"
    found = []
    for together in (1, len(moves)):
        fresh = Store.open(url, f"t{uuid.uuid4().hex[:12]}")
        fresh.marks.check("simulated", 8)
        found.append(seen(fresh, played(fresh, 4, moves, together)))
        fresh.client.close()
    assert found[0] == found[1]


def test_more_moves_than_one_run_takes_are_all_made(store: Store) -> None:
    many = 2 * TOGETHER + 1
    jobs = played(store, many, [(n, "whole") for n in range(many)], many)
    assert {record(store, job).state for job in jobs} == {State.COMPLETED}
    assert len(endings(store)) == many
    assert store.outlook().endings == 3, "one entry of the outbox for each run"


def test_a_damaged_record_stops_the_move_of_no_other(store: Store) -> None:
    jobs = queue(store, *[row(numberResults=2) for _ in range(5)])
    token, _ = take(store)
    asks = [asked(store, job) for job in jobs]
    store.client.hset(store.keys("job", jobs[2]), "a", "nonsense")
    moves = Moves()
    for job, ask in zip(jobs, asks, strict=True):
        ANSWERS["whole"](moves, job, token, ask)
    with pytest.raises(redis.ResponseError):
        store.scripts.run_all(moves.calls)
    store.client.hset(store.keys("job", jobs[2]), "a", "1")
    states = [record(store, job).state for job in jobs]
    assert states == [State.COMPLETED] * 2 + [State.SUBMITTING] + [State.COMPLETED] * 2
    audit(store, jobs)


def test_amounts_beyond_what_a_double_holds_are_added_exactly(store: Store) -> None:
    jobs = queue(store, row(), row(), row())
    take(store)
    costs = [9_007_199_254_740_993, 1, 999_999_999_999]  # nano-dollars
    asks = [asked(store, job) for job in jobs]
    with store.moves() as moves:
        for job, ask, nano in zip(jobs, asks, costs, strict=True):
            answer = verdict(success(job, "all", cost=None), final=True)
            object.__setattr__(answer, "cost", nano)
            moves.join(ask, 0, 60, "", answer)
    told = reading.batch(store, "batch_batch")
    assert told
    assert told.cost == sum(costs)
    audit(store, jobs)
