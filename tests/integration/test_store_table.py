"""Every move in every state: the scripts' guards agree with the table in `tasks/moves.py`."""

from collections.abc import Callable

import pytest
from core_driver import (
    SECRET,
    asked,
    audit,
    bring_to,
    contents,
    error,
    queue,
    record,
    row,
    success,
    take,
    verdict,
)

from tasks import verbs
from tasks.job import State
from tasks.moves import FACES, MOVES
from tasks.store import Store

Call = Callable[[Store, str, str], object]


def _moved(build: Callable[..., None]) -> Call:
    def call(store: Store, job: str, token: str) -> None:
        with store.moves() as moves:
            build(store, moves, job, token)

    return call


def _answer(job: str, good: int, bad: int) -> object:
    told = [success(job, str(n)) for n in range(good)] + [error(job)] * bad
    return verdict(*told, final=True)


CALLS: dict[str, Call] = {
    "claim": lambda store, _job, _token: take(store),
    "acknowledge": _moved(lambda _store, m, job, token: m.acknowledge(job, token, 60, "")),
    "refuse": _moved(lambda _store, m, job, token: m.refuse(job, token, 60, "rateLimit", "")),
    "reject": _moved(lambda _store, m, job, token: m.reject(job, token, "unsafe", "no")),
    "lose": _moved(lambda _store, m, job, token: m.lose(job, token, "", "no answer")),
    "found": _moved(lambda s, m, job, _token: m.snooze(asked(s, job), 0, 60, "running")),
    "absent": _moved(lambda s, m, job, _token: m.absent(asked(s, job), "not there")),
    "park": _moved(lambda s, m, job, _token: m.park(asked(s, job), 60, ("unresolved", "no"))),
    "complete": lambda store, job, _token: store.deliver(job, [success(job), success(job, "2")]),
    "complete_partly": _moved(
        lambda s, m, job, _token: m.join(asked(s, job), 0, 60, "", _answer(job, 1, 1))
    ),
    "again": _moved(
        lambda s, m, job, _token: m.again(
            asked(s, job), NEXT, 60, ("late", "no"), _answer(job, 0, 1)
        )
    ),
    "fail": _moved(
        lambda s, m, job, _token: m.fail(asked(s, job), ("unsafe", "no"), _answer(job, 0, 1))
    ),
    "expire": _moved(lambda s, m, job, _token: m.expire(asked(s, job), 60, "too late")),
    "cancel": lambda store, job, _token: verbs.cancel(store, [record(store, job)]),
    "retry": lambda store, job, _token: verbs.retry(store, SECRET, [record(store, job)]),
    "unpark": lambda store, job, _token: _unpark(store, job),
}


def _unpark(store: Store, job: str) -> None:
    if record(store, job).state is State.RESOLVING:
        CALLS["park"](store, job, "")
    verbs.unpark(store, [record(store, job)])


NEXT = "00000000-0000-4000-8000-000000000002"
GUARDED = set(CALLS) - {"found", "complete", "complete_partly", "again", "fail"}
"""Moves that bring nothing but themselves; the others keep what a poll or a callback told."""


def test_every_move_of_the_table_is_tried() -> None:
    # What is withheld was never there before: test_queueing_lost_files.py.
    assert set(CALLS) == set(MOVES) - {"withhold"}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("event", sorted(CALLS))
def test_a_script_moves_a_job_exactly_where_the_table_has_an_edge(
    store: Store, event: str, state: State
) -> None:
    (job,) = queue(store, row(numberResults=2))
    token = bring_to(store, job, state)
    before = contents(store)
    CALLS[event](store, job, token)
    assert record(store, job).state is MOVES[event].get(state, state)
    audit(store, [job])
    if state not in MOVES[event] and event in GUARDED:
        after = contents(store)
        # A refused or rejected POST of a job that has ended gives back the slot it took.
        freed = {"slots", "due", "nudge"} if event in {"refuse", "reject"} else set()
        assert {k: v for k, v in after.items() if k not in freed} == {
            k: v for k, v in before.items() if k not in freed
        }


@pytest.mark.parametrize("state", list(State))
def test_a_slot_is_held_exactly_while_the_table_says_so(store: Store, state: State) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, state)
    assert (store.window()[1] == 1) is FACES[state].holds_slot


@pytest.mark.parametrize("event", ["absent", "park", "expire"])
def test_silence_about_an_earlier_attempt_moves_nothing(store: Store, event: str) -> None:
    (job,) = queue(store, row(numberResults=2))
    bring_to(store, job, State.PROCESSING)
    CALLS["again"](store, job, "")
    store.client.zadd(store.keys("later"), {job: 0})
    store.sweep()
    token, _ = take(store)
    with store.moves() as moves:
        moves.lose(job, token, "", "no answer")
    before, old = contents(store), asked(store, job, 1)
    with store.moves() as moves:
        {
            "absent": lambda: moves.absent(old, "not there"),
            "park": lambda: moves.park(old, 60, ("unresolved", "no")),
            "expire": lambda: moves.expire(old, 60, "too late"),
        }[event]()
    assert contents(store) == before
