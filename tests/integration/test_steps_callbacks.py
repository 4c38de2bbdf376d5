"""Callbacks from the simulator beside polls: joined once, by whatever road the results came."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from core_driver import Door, Rig, agree, record, row
from simulator_driver import Simulator, wait_until

from tasks import steps
from tasks.job import State
from tasks.store import Store

pytestmark = pytest.mark.one_store


@pytest.fixture
def door(store: Store) -> Iterator[Door]:
    listening = Door(store)
    yield listening
    listening.close()


@pytest.fixture
def rig(store: Store, simulator: Simulator, door: Door) -> Rig:
    return Rig(store, simulator.v1, callbacks=door.url)


def told(*directives: str, **fields: object) -> dict[str, Any]:
    return row(f"Look. [[sim: {' '.join(directives)}]]", **fields)


def never_polls(rig: Rig) -> Callable[[], bool]:
    """Submit once and then only wait for callbacks."""
    steps.submit(rig.context)
    return lambda: wait_until(lambda: rig.only().state is State.COMPLETED)  # type: ignore[no-any-return]


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("mode", ["", "dup:3", "wrapped", "list", "nostatus"])
def test_callbacks_alone_complete_a_job(
    rig: Rig, simulator: Simulator, mode: str, width: int
) -> None:
    rig.queue(told(f"webhook={mode}" if mode else "", "latency=0.1", numberResults=width))
    assert never_polls(rig)()
    assert simulator.totals()["polls"] == 0
    agree(rig, simulator)


def test_callbacks_that_overtake_the_ack_complete_the_job(rig: Rig, simulator: Simulator) -> None:
    rig.queue(told("ack=late:0.8", "latency=0.05"))
    rig.run()
    assert simulator.totals()["polls"] == 0
    assert rig.only().state is State.COMPLETED
    agree(rig, simulator)


@pytest.mark.parametrize("poll", ["empty", "forever_empty"])
@pytest.mark.parametrize("width", [1, 3])
def test_polls_that_never_show_a_task_leave_it_to_the_callbacks(
    rig: Rig, simulator: Simulator, poll: str, width: int
) -> None:
    rig.queue(told(f"poll={poll}", "latency=0.6", numberResults=width))
    rig.run()
    assert rig.only().state is State.COMPLETED
    agree(rig, simulator)


def test_a_lost_ack_of_a_task_that_polls_never_show_is_bought_once(
    rig: Rig, simulator: Simulator
) -> None:
    """Its first result tells that it is there, before the others come."""
    simulator.change(remember="never")
    rig.queue(told("ack=lost", "poll=forever_empty", "latency=2.8", numberResults=4))
    rig.run()
    assert rig.only().state is State.COMPLETED
    agree(rig, simulator)


def test_four_alike_are_counted_by_a_poll(rig: Rig, simulator: Simulator) -> None:
    (job,) = rig.queue(told("identical", "webhook=dup:2", numberResults=4))
    rig.run()
    assert len(rig.texts(job, 1)) == 4
    agree(rig, simulator)


def test_an_error_that_only_a_callback_told_is_believed_when_polls_stay_silent(
    rig: Rig, simulator: Simulator
) -> None:
    rig.queue(told("fail=timeoutProvider*1", "poll=forever_empty"))
    rig.run()
    assert (rig.only().state, rig.only().attempt) == (State.COMPLETED, 2)
    agree(rig, simulator)


def test_an_error_does_not_outrun_the_results_that_are_still_coming(
    store: Store, simulator: Simulator, door: Door
) -> None:
    rig = Rig(store, simulator.v1, callbacks=door.url, REELQUEUE_RESOLVE_AFTER=5)
    (job,) = rig.queue(told("poll=forever_empty", "latency=1.5", numberResults=2))
    steps.submit(rig.context)
    accuse = f'{{"taskUUID":"{job}","status":"error","code":"timeoutProvider"}}'
    assert steps.receive(store, job, accuse.encode()) == "known"
    rig.run()
    one = rig.only()
    assert (one.state, one.attempt, one.flags) == (State.COMPLETED, 1, {"contradiction"})
    agree(rig, simulator)


def test_a_callback_after_the_poll_that_completed_the_job_changes_nothing(
    rig: Rig, simulator: Simulator, door: Door
) -> None:
    door.opens.clear()
    rig.queue(told())
    rig.run()
    before = record(rig.store, rig.jobs[0])
    door.opens.set()
    assert wait_until(lambda: door.told) == ["known"]
    assert record(rig.store, rig.jobs[0]) == before
    agree(rig, simulator)


def test_polls_and_callbacks_together_count_each_result_once(
    rig: Rig, simulator: Simulator
) -> None:
    rig.queue(
        *[told("webhook=dup:2", f"latency=0.{n}", numberResults=1 + n % 4) for n in range(8)],
        told("fail=providerError*1", "latency=0.1"),
        told("errors=2", "latency=0.2", numberResults=4),
    )
    rig.run()
    agree(rig, simulator)
    assert [one.state for one in rig.records()] == [State.COMPLETED] * 9 + [State.PARTIAL]


@pytest.mark.parametrize(
    "text", ["text=hostile", "huge=300000", "finish=content_filter", "unknown_field"]
)
def test_strange_results_are_kept_as_they_are(rig: Rig, simulator: Simulator, text: str) -> None:
    (job,) = rig.queue(told(text))
    rig.run()
    assert rig.only().state is State.COMPLETED
    assert len(rig.texts(job, 1)) == 1
    agree(rig, simulator)
