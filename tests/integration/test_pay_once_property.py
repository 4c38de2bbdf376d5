"""Whatever order POSTs, answers, callbacks, polls and crashes come in: bought once, and found.

The steps themselves, against a provider that is a model; time passes when the model says so, which
never lets a task run for longer than silence is taken for (assumption A1).
"""

import uuid
from typing import Any, ClassVar

import pytest
from core_driver import SECRET, Rig, audit, copied, row, taken_over
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from market import COST, REFUSAL, Market, Purchase, age
from odd_provider import provider

from tasks import steps, verbs
from tasks.job import ENDED, Record, State
from tasks.last_claim import LastClaim
from tasks.store import Store

pytestmark = pytest.mark.one_store

POSTS = ["taken", "refused", "lost", "faulty", "bought and lost", "bought and faulty", "never sent"]
CODES = ["providerError", "timeoutProvider", "providerRateLimitExceeded", "unsafeContent", REFUSAL]
DEADLINE = 7200.0
PLAUSIBLE = 120.0
"""Seconds of silence after which a task is taken to be not there (REELQUEUE_RESOLVE_AFTER)."""


class PayOnce(RuleBasedStateMachine):
    """Two jobs and their provider."""

    server_url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.store = Store.open(self.server_url, f"m{uuid.uuid4().hex[:10]}")
        self.store.marks.check("simulated", 8)
        self.wrong: list[str] = []
        self.released: dict[str, int] = {}  # jobs the user asked for again, by purchases before

    @initialize(
        provider_is=st.fixed_dictionaries(
            {
                "memory": st.sampled_from(["forever", "running", "never"]),
                "shows_running": st.booleans(),
                "names_unknown": st.booleans(),
            }
        ),
        hides=st.booleans(),
        results=st.integers(1, 2),
        jobs=st.integers(1, 2),
    )
    def open(self, provider_is: dict[str, Any], hides: bool, results: int, jobs: int) -> None:  # noqa: FBT001 - drawn
        self.market = Market(jobs=self.records, may_buy=self.may_buy, **provider_is)
        self.hides = hides  # polls may show nothing of what failed; then no history is lost
        self.copy: dict[bytes, bytes] = {}
        self.aged, self.has_gone_back = 0.0, False
        self.serving = provider(self.market.poll, submit=self.market.submit)
        url = self.serving.__enter__()
        times = {"REELQUEUE_RESOLVE_AFTER": PLAUSIBLE, "REELQUEUE_DEADLINE": DEADLINE}
        self.rig = Rig(self.store, url, **times)
        self.rig.queue(*[row(f"Row {n}?", numberResults=results) for n in range(jobs)])

    def records(self) -> list[Record]:
        return self.rig.records()

    def may_buy(self, job: str, before: list[Purchase]) -> None:
        alive = [one for one in before[self.released.get(job, 0) :] if not one.has_failed]
        if alive:
            self.wrong.append(f"{job} was bought beside {alive}")

    def stands(self, *states: State) -> bool:
        return any(one.state in states for one in self.records())

    @rule(how=st.sampled_from(POSTS), what=st.sampled_from(["", "lease", "poll", "callbacks"]))
    def submit(self, how: str, what: str) -> None:
        if not self.stands(State.QUEUED):
            self.poll("whole", 1)
            return
        self.market.post = how
        if what:
            self.market.meanwhile = getattr(self, f"_{what}")
        self._hurry()
        if how == "never sent":  # the worker dies before
            self.store.claim(5, 11_000, "", "", 60)
            self._lease()
        else:
            steps.submit(self.rig.context)
        self.market.post, self.market.meanwhile = "taken", lambda: None

    def _lease(self) -> None:
        """The worker hangs for longer than its claim is good for."""
        leases = self.store.keys("leases")
        for member in self.store.client.zrange(leases, 0, -1):
            self.store.client.zadd(leases, {member: 0}, xx=True)
        self.store.sweep()

    def _poll(self) -> None:
        """Ask for all that will be due, in as many polls as it takes."""
        due = self.store.keys("due")
        members = self.store.client.zrange(due, 0, -1)
        for member in members:
            self.store.client.zadd(due, {member: 1}, xx=True)
        for _ in members:
            steps.poll(self.rig.context)

    def _callbacks(self) -> None:
        for job, item in self.market.callbacks:
            self.store.deliver(job, [item])

    @rule(how=st.sampled_from(["whole", "whole", "first only", "lost"]), times=st.integers(1, 4))
    def poll(self, how: str, times: int) -> None:
        self.market.poll_mode = how
        for _ in range(times):
            self._poll()
        self.market.poll_mode = "whole"

    @rule(
        which=st.integers(0, 3),
        good=st.integers(0, 2),
        code=st.sampled_from(CODES),
        hidden=st.booleans(),
    )
    def a_task_ends(self, which: int, good: int, code: str, hidden: bool) -> None:  # noqa: FBT001 - drawn
        if not self.market.under_way:
            self.poll("whole", 1)
            return
        one = self.market.under_way[which % len(self.market.under_way)]
        good = min(good, one.expected)
        self.market.end(one, good, code, hidden=hidden and self.hides and not good)

    @rule(which=st.integers(0, 9), again=st.booleans())
    def a_callback_comes(self, which: int, again: bool) -> None:  # noqa: FBT001 - drawn
        if not self.market.callbacks:
            self.poll("whole", 1)
            return
        which %= len(self.market.callbacks)
        job, item = self.market.callbacks[which]
        if not again:
            del self.market.callbacks[which]
        told = self.store.deliver(job, [item])
        assert told in {"stored", "known"} or (told == "orphan" and self.has_gone_back)

    @rule(seconds=st.sampled_from([PLAUSIBLE + 10, DEADLINE + 100]))
    def time_passes(self, seconds: float) -> None:
        if self.market.under_way:  # none takes longer than silence is taken for
            self.poll("whole", 1)
            return
        age(self.store, self.rig.jobs, seconds)
        self.aged += seconds
        self.store.sweep()

    @rule(how=st.sampled_from(["copied", "goes back", "comes up anew"]), outlived=st.booleans())
    def the_store_is_copied_or_another(self, how: str, outlived: bool) -> None:  # noqa: FBT001 - drawn
        if self.hides:
            self.poll("whole", 1)
            return
        if how == "comes up anew":
            taken_over(self.rig, copied(self.rig))
        elif how == "copied" or not self.copy:
            self.copy, self.aged = copied(self.rig), 0.0
            return
        else:
            taken_over(self.rig, self.copy)
            age(self.store, self.rig.jobs, self.aged)
            self.has_gone_back = True
        if not outlived:  # by a worker that knows its last claim
            self.store.last_claim = LastClaim()

    @rule(which=st.integers(0, 1), word=st.sampled_from(["cancel", "retry", "unpark"]))
    def the_user_says(self, which: int, word: str) -> None:
        one = self.records()[which % len(self.rig.jobs)]
        if word == "cancel":
            verbs.cancel(self.store, [one])
            return
        is_retry = word == "retry"
        (told,) = (
            verbs.retry(self.store, SECRET, [one]) if is_retry else verbs.unpark(self.store, [one])
        )
        if told == "moved":  # what is bought from here on is the user's own word
            self.released[one.id] = sum(p.job == one.id for p in self.market.bought)

    @invariant()
    def nothing_was_bought_beside_what_may_come(self) -> None:
        assert not self.wrong, self.wrong

    @invariant()
    def the_books_are_in_order(self) -> None:
        audit(self.store, self.rig.jobs)

    def teardown(self) -> None:
        try:
            if hasattr(self, "rig"):
                self._end_all()
        finally:
            if hasattr(self, "serving"):
                self.serving.__exit__(None, None, None)
            self.store.client.unlink(*self.store.client.scan_iter(f"{self.store.keys.namespace}:*"))
            self.store.client.close()

    def _turn(self) -> None:
        self._hurry()
        steps.submit(self.rig.context)
        self._poll()

    def _hurry(self) -> None:
        later = self.store.keys("later")
        for member in self.store.client.zrange(later, 0, -1):
            self.store.client.zadd(later, {member: 0}, xx=True)
        self.store.sweep()

    def _end_all(self) -> None:
        """Let everything end well, without callbacks: each job ends, with all that was bought."""
        for number in range(40):
            for one in self.market.under_way:
                self.market.end(one, one.expected, "", hidden=False)
            self._turn()
            verbs.unpark(self.store, self.records())
            if all(one.state in ENDED for one in self.records()):
                break
            # What failed unseen ends at its deadline.
            age(self.store, self.rig.jobs, PLAUSIBLE / 2 if number < 20 else DEADLINE + 100)
        for one in self.market.under_way:
            self.market.end(one, one.expected, "", hidden=False)
        for _ in range(4):
            self._turn()
        assert not self.wrong, self.wrong
        for one in self.records():
            assert one.state in ENDED, one
            for attempt in one.attempts:
                known = self.market.last(attempt.task_uuid)
                assert attempt.cost == (known.good or 0) * COST if known else not attempt.cost
            whole = [p for p in self.market.bought if p.job == one.id and p.good == p.expected]
            if whole and one.state is not State.CANCELLED:
                assert one.state is State.COMPLETED or len(one.attempts) > 1


@pytest.fixture
def machine(store: Store) -> type[PayOnce]:
    where = store.client.connection_pool.connection_kwargs
    url = f"redis://{where['host']}:{where['port']}/0"
    return type("PayOnceHere", (PayOnce,), {"server_url": url})


def test_nothing_is_bought_beside_what_may_come_and_all_is_found(machine: type[PayOnce]) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=max(30, settings().max_examples // 4),
            stateful_step_count=15,
            suppress_health_check=list(HealthCheck),
        ),
    )
