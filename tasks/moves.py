"""The one table of a job's moves. The Lua guards, the diagram and the tests are made from it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tasks.job import AT_PROVIDER, ENDED, OPEN, State


@dataclass(frozen=True)
class Face:
    """How a state shows outside: in counters, in Celery, in Flower, and in the slot set."""

    celery: str  # state an AsyncResult gives
    flower: str  # event type that shows it
    holds_slot: bool  # a task of it may be running at the provider


FACES = {
    State.QUEUED: Face("PENDING", "task-retried", holds_slot=False),
    State.SUBMITTING: Face("RECEIVED", "task-received", holds_slot=True),
    State.RESOLVING: Face("RECEIVED", "task-received", holds_slot=True),
    State.PROCESSING: Face("STARTED", "task-started", holds_slot=True),
    State.COMPLETED: Face("SUCCESS", "task-succeeded", holds_slot=False),
    State.PARTIAL: Face("SUCCESS", "task-succeeded", holds_slot=False),
    State.FAILED: Face("FAILURE", "task-failed", holds_slot=False),
    # The user lost interest, the provider did not: the slot goes when the task is known to be over.
    State.EXPIRED: Face("FAILURE", "task-failed", holds_slot=True),
    State.CANCELLED: Face("REVOKED", "task-revoked", holds_slot=True),
}

MOVES: dict[str, dict[State, State]] = {
    "claim": {State.QUEUED: State.SUBMITTING},
    "withhold": {State.QUEUED: State.FAILED},  # a file of it could not be uploaded: never sent
    # After its lease, too, where nobody has claimed the job since.
    "acknowledge": {State.SUBMITTING: State.PROCESSING, State.RESOLVING: State.PROCESSING},
    "refuse": {State.SUBMITTING: State.QUEUED},  # not bought; same taskUUID later
    "reject": {State.SUBMITTING: State.FAILED},  # not bought; would be refused again
    "lose": {State.SUBMITTING: State.RESOLVING},  # no clear answer
    "found": {State.SUBMITTING: State.PROCESSING, State.RESOLVING: State.PROCESSING},
    "absent": {State.RESOLVING: State.QUEUED},  # certainly not there; same taskUUID again
    "park": {State.RESOLVING: State.RESOLVING},  # neither found nor safely sent again
    # A job goes back to queued after "absent" or for its next attempt; results may still come.
    # A job that ended without all of its results is amended by late ones.
    "complete": dict.fromkeys(OPEN | {State.FAILED, State.EXPIRED, State.PARTIAL}, State.COMPLETED),
    "complete_partly": dict.fromkeys(AT_PROVIDER, State.PARTIAL),
    "again": dict.fromkeys(AT_PROVIDER, State.QUEUED),  # next attempt, next taskUUID
    "fail": dict.fromkeys(AT_PROVIDER, State.FAILED),
    "expire": dict.fromkeys(AT_PROVIDER, State.EXPIRED),
    # The user's word.
    "cancel": dict.fromkeys(OPEN, State.CANCELLED),
    "retry": dict.fromkeys(ENDED - {State.COMPLETED}, State.QUEUED),
    "unpark": {State.RESOLVING: State.QUEUED},  # send the same taskUUID again after all
}
"""event: {state before: state after}. What is not here does not happen."""

SHOWN = frozenset({"claim", "acknowledge", "found", "again", "retry"}) | frozenset(
    event for event, edges in MOVES.items() if ENDED.intersection(edges.values())
)
"""Moves that change what Flower shows. A job that only waits is no row of its own: its batch is."""

PASSING = frozenset({"claim", "acknowledge", "found"})
"""Of these, moves that others follow by themselves: left out where more than `BEHIND` wait."""

BEHIND = 1000
"""Entries waiting for Flower beyond which it is shown only endings and what the user did."""

CALLER_TOLD = 86_400
"""Seconds that Celery keeps the result of a task: its own default."""

UNSHOWN = 20_000
"""Entries kept for Flower while it is away or behind, as many as it has rows; beyond it the oldest
go. One holds the moves of one script run: of a callback one or two, of a poll up to 16 (0.8 kB)."""


def as_lua() -> str:
    """Return the table as Lua source, for the scripts' guards."""
    rows = [f"{event}={_lua_table(edges)}" for event, edges in MOVES.items()]
    ended = _lua_table(dict.fromkeys(ENDED, "yes"))
    active = _lua_table(dict.fromkeys(AT_PROVIDER, "yes"))
    shown, passing = _lua_set(SHOWN), _lua_set(PASSING)
    tables = {"ENDED": ended, "ACTIVE": active, "SHOWN": shown, "PASSING": passing}
    faces = ",".join(f'{state}="{face.celery}"' for state, face in sorted(FACES.items()))
    counters = ",".join(f'{state}="n:{state}"' for state in sorted(State))
    lines = [
        f"local BEHIND, UNSHOWN, CALLER_TOLD = {BEHIND}, {UNSHOWN}, {CALLER_TOLD}",
        f"local CELERY = {{{faces}}}",
        f"local COUNTER = {{{counters}}}",
    ]
    lines += [f"local {name} = {table}" for name, table in tables.items()]
    return "\n".join([f"local MOVES = {{{','.join(rows)}}}", *lines, ""])


def _lua_table(pairs: Mapping[State, str]) -> str:
    return "{" + ",".join(f'{key}="{value}"' for key, value in sorted(pairs.items())) + "}"


def _lua_set(names: Iterable[str]) -> str:
    return "{" + ",".join(f'{name}="yes"' for name in sorted(names)) + "}"


def as_mermaid() -> str:
    """Return the table as the state diagram of tasks/README.md."""
    names: dict[tuple[State, State], list[str]] = {}
    for event, edges in MOVES.items():
        for edge in edges.items():
            names.setdefault(edge, []).append(event)
    order = list(State)
    lines = [
        f"    {before} --> {after}: {', '.join(names[before, after])}"
        for before in order
        for after in order
        if (before, after) in names
    ]
    return "\n".join(["stateDiagram-v2", "    [*] --> queued: enqueue", *lines])
