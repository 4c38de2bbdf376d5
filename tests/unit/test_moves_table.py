"""The one table of moves: its diagram, its Lua, and what it never allows."""

import re
from pathlib import Path

import pytest

from tasks.job import ENDED, OPEN, State
from tasks.moves import FACES, MOVES, PASSING, SHOWN, as_lua, as_mermaid

README = (Path(__file__).parents[2] / "tasks" / "README.md").read_text("utf-8")
EDGES = {
    (before, after, event) for event, edges in MOVES.items() for before, after in edges.items()
}


def test_the_diagram_shows_every_move_and_no_other() -> None:
    first, start, *lines = as_mermaid().splitlines()
    assert (first, start) == ("stateDiagram-v2", "    [*] --> queued: enqueue")
    drawn = set()
    for line in lines:
        arrow = re.fullmatch(r"    (\w+) --> (\w+): ([\w, ]+)", line)
        assert arrow, line
        before, after, events = arrow.groups()
        drawn |= {(State(before), State(after), event) for event in events.split(", ")}
    assert drawn == EDGES


def test_the_readme_has_this_diagram() -> None:
    assert README.partition("```mermaid\n")[2].partition("\n```")[0] == as_mermaid()


def lua_tables() -> dict[str, dict[str, str]]:
    """Read `name={key="value",…}` for each table of as_lua."""
    found = re.findall(r'(\w+) ?= ?\{((?:\w+="\w+",?)*)\}', as_lua())
    return {name: dict(re.findall(r'(\w+)="(\w+)"', body)) for name, body in found}


def test_the_scripts_guards_are_the_table() -> None:
    tables = lua_tables()
    names = ("ENDED", "ACTIVE", "SHOWN", "PASSING", "CELERY")
    ended, active, shown, passing, celery = (tables.pop(name) for name in names)
    read = {(a, b, event) for event, edges in tables.items() for a, b in edges.items()}
    assert read == {(str(a), str(b), event) for a, b, event in EDGES}
    assert ended.keys() == set(ENDED)
    assert shown.keys() == SHOWN
    assert passing.keys() == PASSING
    assert celery == {state: face.celery for state, face in FACES.items()}
    assert active.keys() == {state for state in OPEN if FACES[state].holds_slot}


def test_every_state_has_a_face() -> None:
    assert FACES.keys() == set(State)
    assert set(State) == OPEN | ENDED
    assert not OPEN & ENDED


def test_nothing_leaves_a_job_that_has_its_answer() -> None:
    assert not [edge for edge in EDGES if edge[0] is State.COMPLETED]


@pytest.mark.parametrize("state", sorted(ENDED - {State.COMPLETED}))
def test_a_job_that_lacks_results_is_amended_by_late_ones_or_retried_by_the_user_alone(
    state: State,
) -> None:
    edges = {(state, State.QUEUED, "retry")}
    if state is not State.CANCELLED:
        edges.add((state, State.COMPLETED, "complete"))
    assert {edge for edge in EDGES if edge[0] is state} == edges


def test_the_user_can_give_up_every_open_job_and_no_other() -> None:
    assert MOVES["cancel"] == dict.fromkeys(OPEN, State.CANCELLED)
    assert {event for _, after, event in EDGES if after is State.CANCELLED} == {"cancel"}


@pytest.mark.parametrize("state", sorted(OPEN))
def test_every_open_job_can_end(state: State) -> None:
    reached = {state}
    while more := {after for before, after, _ in EDGES if before in reached} - reached:
        reached |= more
    assert {State.COMPLETED, State.FAILED, State.EXPIRED, State.PARTIAL} <= reached


def test_nothing_goes_to_the_provider_but_by_a_claim() -> None:
    assert {event for _, after, event in EDGES if after is State.SUBMITTING} == {"claim"}
    assert {before for before, _, event in EDGES if event == "claim"} == {State.QUEUED}


def test_only_what_is_not_bought_or_has_failed_goes_back_to_the_queue() -> None:
    back = {event for _, after, event in EDGES if after is State.QUEUED}
    assert back == {"refuse", "absent", "again", "retry", "unpark"}
    assert set(MOVES["unpark"]) == {State.RESOLVING}
    for event in ("refuse", "reject"):  # only the answer to a POST refuses
        assert set(MOVES[event]) == {State.SUBMITTING}
    assert set(MOVES["absent"]) == {State.RESOLVING}
