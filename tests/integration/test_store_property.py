"""Any order and repetition of claims, answers, callbacks and polls leaves the books in order."""

import uuid
from typing import Any, ClassVar

import pytest
from core_driver import SECRET, asked, audit, error, queue, record, row, success, verdict
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tasks import reading_results, verbs
from tasks.job import ENDED, Record, State
from tasks.moves import MOVES
from tasks.store import Store
from tasks.wire.answer import Item, Kind

EDGES = {edge for edges in MOVES.values() for edge in edges.items()}
STEPS = EDGES | {(a, c) for a, b in EDGES for b2, c in EDGES if b == b2}
"""What one call may do: claim.lua may find at once, a poll may find and complete."""

attempts = st.integers(1, 4)
places = st.integers(0, 3)
behind = st.integers(0, 1)
RETRIED = {State.FAILED, State.PARTIAL, State.EXPIRED, State.CANCELLED}


class Books(RuleBasedStateMachine):
    """One job of one to four results, whose provider tells the truth, in any order."""

    server_url: ClassVar[str]
    widths: ClassVar[st.SearchStrategy[int]] = st.integers(1, 4)

    def __init__(self) -> None:
        super().__init__()
        self.store = Store.open(self.server_url, f"p{uuid.uuid4().hex[:10]}")
        self.store.marks.check("simulated", 8)
        self.job = ""
        self.tokens = ["0"]
        self.states: list[State] = [State.QUEUED]
        self.told: dict[int, set[str]] = {}  # by callback: digests of an attempt
        self.shown: dict[int, int] = {}  # by poll: the first so many results of an attempt

    @precondition(lambda self: not self.job)
    @rule(expected=widths, alike=st.booleans())
    def enqueue(self, expected: int, alike: bool) -> None:  # noqa: FBT001 - drawn
        (self.job,) = queue(self.store, row(numberResults=expected))
        self.expected, self.alike = expected, alike

    @property
    def now(self) -> Record:
        return record(self.store, self.job)

    def results(self, attempt: int) -> list[Item]:
        name = self.now.attempts[attempt - 1].task_uuid
        wanted = self.now.attempts[attempt - 1].expected
        texts = [f"{attempt}" if self.alike else f"{attempt} {n}" for n in range(wanted)]
        return [
            success(name, text, 0.25 + n / 8 * (not self.alike)) for n, text in enumerate(texts)
        ]

    @precondition(lambda self: self.job)
    @rule()
    def claim(self) -> None:
        # A lease of no time: the next sweep finds it run out.
        _, token, _, _, *sent = self.store.scripts.run(
            "claim", 5, 0, 3_600_000, "", "", 60, 60_000, "", "", "", ""
        )
        self.tokens += [token.decode()] if token else []
        for job in sent:
            assert int(job[1]) not in {*self.told, *self.shown}, "bought again"

    @precondition(lambda self: self.job)
    @rule(old=st.integers(1, 2), what=st.sampled_from(["ack", "refuse", "reject", "lose"]))
    def answer(self, old: int, what: str) -> None:
        token = self.tokens[-min(old, len(self.tokens))]
        if what == "reject" and (self.told or self.shown):
            return  # a provider that says both is not believed, and not modelled
        before = self.now
        with self.store.moves() as moves:
            match what:
                case "ack":
                    moves.acknowledge(self.job, token, 0, "")
                case "refuse":
                    moves.refuse(self.job, token, 0.001, "rateLimit", "")
                case "reject":
                    moves.reject(self.job, token, "unsafe", "no")
                case _:
                    moves.lose(self.job, token, "", "no answer")
        is_its_claims = before.token == int(token)
        assert is_its_claims or self.now == before, "an answer to another claim moved it"

    @precondition(lambda self: self.job)
    @rule(attempt=attempts, place=places)
    def callback_success(self, attempt: int, place: int) -> None:
        attempt = min(attempt, self.now.attempt)
        results = self.results(attempt)
        item = results[min(place, len(results) - 1)]
        assert self.store.deliver(self.job, [item]) in {"stored", "known"}
        self.told.setdefault(attempt, set()).add(item.digest)
        self.told[attempt] -= self.left_out(attempt)

    @precondition(lambda self: self.job)
    @rule(attempt=attempts, named=st.booleans())
    def callback_error(self, attempt: int, named: bool) -> None:  # noqa: FBT001 - drawn
        name = self.now.attempts[min(attempt, self.now.attempt) - 1].task_uuid
        assert self.store.deliver(self.job, [error(name if named else None)]) == "known"

    @precondition(lambda self: self.job)
    @rule(
        attempt=attempts,
        back=behind,
        what=st.sampled_from(["running", "empty", "error", "absent", "park", "expire"]),
    )
    def poll_without_result(self, attempt: int, back: int, what: str) -> None:
        ask = asked(self.store, self.job, min(attempt, self.now.attempt), behind=back)
        with self.store.moves() as moves:
            match what:
                case "absent":
                    moves.absent(ask, "not there")
                case "park":
                    moves.park(ask, 60, ("unresolved", "no"))
                case "expire":
                    moves.expire(ask, 60, "too late")
                case _:
                    moves.snooze(ask, 0, 0.001, what, "sign")

    @precondition(lambda self: self.job)
    @rule(
        attempt=attempts,
        back=behind,
        good=st.integers(1, 4),
        rest=st.booleans(),
        late=st.booleans(),
    )
    def poll_with_results(self, attempt: int, back: int, good: int, rest: bool, late: bool) -> None:  # noqa: FBT001 - drawn
        attempt = min(attempt, self.now.attempt)
        ask = asked(self.store, self.job, attempt, behind=back)
        results = self.results(attempt)
        good = min(good, len(results))
        bad = [error(ask.task_uuid)] * (rest and good < len(results))
        answer = verdict(*results[:good], *bad, final=bool(bad) or good == len(results))
        with self.store.moves() as moves:
            moves.join(ask, 0, 0.001, "sign" * bool(bad), answer)
            if late and not answer.final:
                moves.expire(ask, 60, "too late")
        if ask.sequence >= int(self.field("p")):
            self.shown[attempt] = max(good, self.shown.get(attempt, 0))
        if left := self.left_out(attempt) & self.told.get(attempt, set()):
            self.told[attempt] -= left
            loose = self.told[attempt] - {one.digest for one in results[: self.shown[attempt]]}
            known = self.shown[attempt] + len(bad) + len(loose)
            assert known == self.now.attempts[attempt - 1].expected, (
                "left out though there was room"
            )

    @precondition(lambda self: self.job)
    @rule(attempt=attempts, back=behind, last=st.booleans())
    def poll_failed(self, attempt: int, back: int, last: bool) -> None:  # noqa: FBT001 - drawn
        ask = asked(self.store, self.job, min(attempt, self.now.attempt), behind=back)
        answer = verdict(error(ask.task_uuid), final=True)
        with self.store.moves() as moves:
            if last or self.now.attempt > 3:
                moves.fail(ask, ("unsafe", "no"), answer)
            else:
                moves.again(ask, str(uuid.uuid4()), 0.001, ("timeoutProvider", "no"), answer)

    @precondition(lambda self: self.job)
    @rule()
    def sweep(self) -> None:
        self.store.sweep()

    @precondition(lambda self: self.job)
    @rule()
    def take_due(self) -> None:
        self.store.claim_due(9)

    @precondition(lambda self: self.job)
    @rule(whole=st.booleans())
    def cancel(self, whole: bool) -> None:  # noqa: FBT001 - drawn
        before = self.now
        if whole:
            verbs.cancel_batch(self.store, before.batch)
            assert verbs.retry(self.store, SECRET, [before])[0] in {"cancelling", "stale"}
            progress = verbs.cancel_pass(self.store)
            assert progress
            assert progress.over
            told = {(1, 0): "sent", (0, 1): "unsent", (0, 0): "ended"}[
                progress.sent, progress.unsent
            ]
        else:
            (told,) = verbs.cancel(self.store, [before])
        assert (told == "ended") == (before.state in ENDED)
        if told == "unsent":
            assert self.store.window()[1] == 0, "the provider may have it"

    @precondition(lambda self: self.job and self.now.state in RETRIED)
    @rule()
    def retry(self) -> None:
        before = self.now
        (told,) = verbs.retry(self.store, SECRET, [before])
        self.states.append(State.QUEUED)
        assert self.now.cost == before.cost
        if told == "completed":
            assert self.now.state is State.COMPLETED
            return
        assert (told, self.now.state) == ("moved", State.QUEUED)
        attempt = self.now.attempts[-1]
        have = self.kept() if attempt.beside else 0
        assert attempt.expected == self.expected - have, "asks for what is there, or too little"
        # Only one that was never sent keeps its taskUUID.
        last = before.attempts[-1]
        was_sent = last.submitted_at is not None or last.ended_at is not None
        assert self.now.attempt == before.attempt + was_sent

    @precondition(lambda self: self.job)
    @rule()
    def unpark(self) -> None:
        before = self.now
        (told,) = verbs.unpark(self.store, [before])
        assert (self.now.state is State.QUEUED) if told == "moved" else self.now == before

    @precondition(lambda self: self.job)
    @rule(hold=st.booleans(), what=st.sampled_from(["batch_batch", "*"]))
    def pause_or_resume(self, hold: bool, what: str) -> None:  # noqa: FBT001 - drawn
        if hold:
            verbs.hold(self.store, what, "held")
            assert not self.store.claim(5, 60, "", "", 60).jobs, "claimed although held"
        else:
            verbs.resume(self.store, what)

    @precondition(lambda self: self.job)
    @rule(priority=st.integers(1, 100))
    def prioritize(self, priority: int) -> None:
        verbs.prioritize(self.store, "batch_batch", priority)

    def left_out(self, attempt: int) -> set[str]:
        """Return what callbacks alone brought, and the provider's own answer had no room for."""
        return set(self.now.attempts[attempt - 1].surplus)

    def kept(self) -> int:
        good = [
            sum(item.kind is Kind.SUCCESS for item in items)
            for items in reading_results.results(self.store, [(self.now, n) for n in self.now.kept])
        ]
        return sum(good)

    def field(self, name: str) -> str:
        found: bytes = self.store.client.hget(self.store.keys("job", self.job), name) or b"0"
        return found.decode()

    @invariant()
    def the_books_are_in_order(self) -> None:
        if self.job:
            audit(self.store, [self.job])

    @invariant()
    def the_state_moved_along_the_table(self) -> None:
        if not self.job:
            return
        before, after = self.states[-1], self.now.state
        assert before == after or (before, after) in STEPS, (before, after)
        assert before not in ENDED or after in ENDED, "reopened, and not by the user"
        self.states.append(after)

    @invariant()
    def what_was_told_is_kept_and_counted_once(self) -> None:
        for number in range(1, self.now.attempt + 1) if self.job else ():
            (items,) = reading_results.results(self.store, [(self.now, number)])
            good = [item for item in items if item.kind is Kind.SUCCESS]
            polled = self.results(number)[: self.shown.get(number, 0)]
            loose = self.told.get(number, set()) - {item.digest for item in polled}
            assert {item.digest for item in good} == loose | {item.digest for item in polled}
            assert len(good) == len(polled) + len(loose), "kept twice"
            assert self.now.attempts[number - 1].cost == sum(item.cost or 0 for item in good)
            wanted = self.now.attempts[number - 1].expected
            # Beside results that the provider told of itself a callback's may be one of them.
            if len(polled) >= wanted or (not polled and len(loose) >= wanted):
                assert self.now.state not in {State.FAILED, State.EXPIRED}
                assert self.now.state in ENDED, "whole, and not ended"

    @invariant()
    def what_the_table_shows_is_what_the_job_has(self) -> None:
        if not self.job or not self.now.winner:
            return
        (items,) = reading_results.answers(self.store, [self.now])
        good = [item for item in items if item.kind is Kind.SUCCESS]
        # An earlier attempt may have got what it lacked after all, beside the one for that.
        assert len(good) == min(self.kept(), self.expected)
        if self.now.state is State.COMPLETED:
            assert len(good) >= self.expected, "completed, and not whole"

    def teardown(self) -> None:
        keys: list[Any] = list(self.store.client.scan_iter(f"{self.store.keys.namespace}:*"))
        if keys:
            self.store.client.unlink(*keys)
        self.store.client.close()


@pytest.fixture
def books(store: Store) -> type[Books]:
    where = store.client.connection_pool.connection_kwargs
    return type("Books", (Books,), {"server_url": f"redis://{where['host']}:{where['port']}/0"})


def test_the_books_are_in_order_whatever_happens(books: type[Books]) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        books,
        settings=settings(
            max_examples=max(40, settings().max_examples // 4),
            stateful_step_count=25,
            suppress_health_check=list(HealthCheck),
        ),
    )
