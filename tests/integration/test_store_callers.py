"""What callers of one job want is kept until each of them was served, and not served twice."""

from typing import Any

import pytest
from core_driver import SECRET, bring_to, dumps, row

from tasks import callers, ids
from tasks.callers import MOST, Call
from tasks.job import State
from tasks.store import Store

JOB = ids.job_id(SECRET, "celery", "x")
KEPT = {"custom_id": "x", "shared": "none", "body": row(numberResults=2), "columns": {}}
CALL = Call("none", b"{}", JOB, 2, "digest", 7, dumps(KEPT), JOB)
PLAIN: dict[str, Any] = {"id": JOB}
CHORD = {"task": "plain.gather", "options": {"task_id": "body"}}


def come(store: Store, **wanted: object) -> str:
    return callers.record_call(store, "celery-2026-11-28", 10, CALL, {**PLAIN, **wanted})


def link(name: str) -> list[dict[str, str]]:
    return [{"task": name}]


def kept(store: Store) -> bytes:
    (blob,) = callers.kept(store, [JOB])
    assert blob
    return blob


@pytest.mark.parametrize("state", [State.QUEUED, State.PROCESSING, State.COMPLETED])
def test_a_message_that_wants_something_else_is_kept_beside_the_first(
    store: Store, state: State
) -> None:
    assert come(store, callbacks=link("a")) == "added"
    bring_to(store, JOB, state)
    assert come(store, callbacks=link("a"), root_id="another") == "known"
    assert come(store) == "known"
    assert come(store, group="no chord") == "known"
    assert come(store, callbacks=link("b")) == "joined"
    assert come(store, chord=CHORD, group="g", group_index=0) == "joined"
    assert come(store, chord=CHORD, group="g", group_index=0) == "known"
    assert come(store, chord=CHORD, group="h", group_index=0) == "joined"
    told = callers.messages(kept(store))
    assert [one.get("group") for one in told] == [None, None, "g", "h"]


def test_a_message_that_comes_while_others_are_served_is_not_taken_for_served(
    store: Store,
) -> None:
    come(store, callbacks=link("a"))
    bring_to(store, JOB, State.COMPLETED)
    before = kept(store)
    assert come(store, callbacks=link("b")) == "joined"
    assert not callers.answered(store, JOB, before)
    assert callers.answered(store, JOB, kept(store))
    store.client.set(f"celery-task-meta-{JOB}", "{}")
    try:
        assert [come(store, callbacks=link(name)) for name in "abc"] == ["known", "known", "again"]
    finally:
        store.client.delete(f"celery-task-meta-{JOB}")


def test_of_one_job_so_many_messages_are_kept_and_no_more(store: Store) -> None:
    come(store)
    told = [come(store, callbacks=link(str(n))) for n in range(MOST)]
    assert told == ["joined"] * (MOST - 1) + ["crowded"]
    assert len(callers.messages(kept(store))) == MOST
