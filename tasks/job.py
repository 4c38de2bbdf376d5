"""The job record: what the store knows of one request, as a frozen value.

Everything here is read from the hash `job` (tasks/README.md); only the Lua scripts write it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a job stands; the edges are in `moves.py`."""

    QUEUED = "queued"  # recorded, waiting for a slot
    SUBMITTING = "submitting"  # claimed; its POST may be on the way
    RESOLVING = "resolving"  # the POST had no clear answer: being looked for
    PROCESSING = "processing"  # the provider has it
    COMPLETED = "completed"  # every result is here
    PARTIAL = "partial"  # some results are here, the others failed
    FAILED = "failed"  # no result, and none will come
    EXPIRED = "expired"  # the deadline passed and a poll after it still had no result
    CANCELLED = "cancelled"  # the user gave it up


AT_PROVIDER = (State.SUBMITTING, State.RESOLVING, State.PROCESSING)
"""States in which the provider may have the job's task: a poll can tell what becomes of it."""
OPEN = frozenset({State.QUEUED, *AT_PROVIDER})
ENDED = frozenset(State) - OPEN


@dataclass(frozen=True)
class Attempt:
    """One purchase for a job."""

    number: int  # 1, 2, ...; never changes
    task_uuid: str  # derived; never changes
    submitted_at: int | None  # ms; set by the last claim of this attempt
    ended_at: int | None  # ms; set when the task is known to be over
    outcome: str  # how it ended; empty while open
    cost: int  # nano-dollars; grows with each result, replaced by an authoritative answer
    expected: int  # results asked for: those of the job, or those it lacked; never changes
    beside: int | None  # the attempt whose results this one only completes; never changes
    unclear_since: int | None  # ms; of one given up without a clear answer: the first silent poll
    is_answered: bool  # an answer of the provider's own holds its results
    # By digest, what has not come in such an answer:
    delivered: tuple[str, ...]  # results that callbacks brought
    accusations: tuple[str, ...]  # errors that callbacks brought
    surplus: tuple[str, ...]  # results beyond those asked for


@dataclass(frozen=True)
class Record:
    """One job. Times are Redis milliseconds since the epoch, money is nano-dollars."""

    id: str
    state: State  # changes with every move
    batch: str
    row: int  # line of the manifest, 1-based
    digest: str  # of the row's content
    expected: int  # numberResults
    attempt: int  # current attempt, from 1; a retryable failure adds one
    queued_at: int
    ended_at: int | None  # set by the ending, moved by an amendment
    cost: int  # of all attempts
    reserved: int  # the most that one purchase is reckoned to cost
    winner: int | None  # the attempt whose results are the job's, with those it stands beside
    refusals: int  # POSTs of the current attempt that were refused for now
    refused_with: frozenset[str]  # their codes
    resends: int  # POSTs of the current attempt beyond the first
    passed_over: int  # those before which it was lost while the provider took others
    empties: int  # answered polls in a row that knew nothing of the current attempt
    lost_since: int | None  # first POST of the attempt without a clear answer; later by outages
    unclear_since: int | None  # set when a POST had no clear answer, then at the first silent poll
    sightings: int  # polls in a row that gave the same error
    sighted_since: int | None  # the first of them
    signature: str  # of that error
    accused: bool  # a callback said that the current attempt has failed
    polled: bool  # a poll has told something of it
    token: int  # fencing token of the last claim
    error_code: str  # of the last error; kept when the job goes on
    celery_id: str  # of the Celery message that brought the job; empty for a row of a manifest
    flags: frozenset[str]  # late, superseded, surplus, contradiction, parked
    attempts: tuple[Attempt, ...]

    @property
    def submitted_at(self) -> int | None:
        """When the first attempt was first claimed."""
        return self.attempts[0].submitted_at

    @property
    def task_uuid(self) -> str:
        """The taskUUID the job's answer is, or will be, under."""
        return self.attempts[(self.winner or self.attempt) - 1].task_uuid

    @property
    def kept(self) -> tuple[int, ...]:
        """The attempts whose results are the job's, in order; none before it has any."""
        numbers, number = list[int](), self.winner
        while number:
            numbers.append(number)
            number = self.attempts[number - 1].beside
        return tuple(reversed(numbers))


LONG = 9
"""Length from which a field's name is that of a result: `d1:` and a digest."""


def record(job_id: str, fields: Mapping[str, str]) -> Record:
    """Read a record from the fields of its hash."""
    get, current = fields.get, int(fields["a"])
    told = [name for name in fields if len(name) >= LONG]
    return Record(
        id=job_id,
        state=State(fields["s"]),
        batch=fields["b"],
        row=_number(get("r")),
        digest=get("d", ""),
        expected=_number(get("n")),
        attempt=current,
        queued_at=_number(get("q")),
        ended_at=_moment(get("e")),
        cost=_number(get("m")),
        reserved=_number(get("rv")),
        winner=_moment(get("w")),
        refusals=_number(get("rf")),
        refused_with=_words(get("rc")),
        resends=_number(get("rs")),
        passed_over=_number(get("po")),
        empties=_number(get("em")),
        lost_since=_moment(get("ls")),
        unclear_since=_moment(get("l")),
        sightings=_number(get("xc")),
        sighted_since=_moment(get("xt")),
        signature=get("x", ""),
        accused="ce" in fields,
        polled="p" in fields,
        token=_number(get("t")),
        error_code=get("ec", ""),
        celery_id=get("cy", ""),
        flags=_words(get("fl")),
        attempts=tuple(_attempt(job_id, n, fields, told) for n in range(1, current + 1)),
    )


def _attempt(job_id: str, n: int, fields: Mapping[str, str], told: Sequence[str]) -> Attempt:
    get = fields.get
    return Attempt(
        number=n,
        task_uuid=job_id if n == 1 else fields[f"i{n}"],
        submitted_at=_moment(get(f"u{n}")),
        ended_at=_moment(get(f"e{n}")),
        outcome=get(f"o{n}", ""),
        cost=_number(get(f"m{n}")),
        expected=_number(get(f"n{n}") or get("n")),
        beside=_moment(get(f"h{n}")),
        unclear_since=_moment(get(f"l{n}")),
        is_answered=f"ok{n}" in fields,
        delivered=_digests(f"s{n}:", told),
        accusations=_digests(f"x{n}:", told),
        surplus=_digests(f"v{n}:", told),
    )


def _number(text: str | None) -> int:
    return int(text) if text else 0


def _moment(text: str | None) -> int | None:
    return int(text) if text else None


def _words(text: str | None) -> frozenset[str]:
    return frozenset(filter(None, (text or "").split(",")))


def _digests(kind: str, told: Sequence[str]) -> tuple[str, ...]:
    if not told:
        return ()
    return tuple(name.removeprefix(kind) for name in told if name.startswith(kind))
