"""Our client meets all that the simulator can send, and its records say what really happened."""

from collections.abc import Sequence

import pytest
from core_driver import resize
from simulator_driver import wait_until
from stage_driver import Stage, Task
from test_switches_table import (
    CALM,
    OFF,
    PAUSES,
    PLAIN,
    READ,
    SENT,
    SERVICE,
    STATUSES,
    STORM,
)

from tasks.job import State

pytestmark = pytest.mark.long

IN_FLIGHT: list[Task] = [("latency=1.5", 2), (f"latency=1.5 {OFF}", 1)]


@pytest.mark.parametrize(
    ("name", "tasks"), [("calm", CALM), ("storm", STORM), ("statuses", STATUSES)]
)
def test_every_directive_of_a_task_ends_in_records_that_are_true(
    name: str, tasks: list[Task], stage: Stage
) -> None:
    stage.submit(name, tasks)
    stage.end(name)


@pytest.mark.parametrize("name", SERVICE)
def test_every_setting_of_the_service_ends_in_records_that_are_true(
    name: str, stage: Stage
) -> None:
    settings, tasks = SERVICE[name]
    batch = name.replace(" ", "-")
    with stage.changed(**settings):
        stage.submit(batch, tasks)
        stage.end(batch)


def test_a_refused_key_missing_credit_and_a_wrong_address_hold_jobs_back_and_fail_none(
    stage: Stage,
) -> None:
    stage.submit("owed-before", IN_FLIGHT)
    with stage.changed(**PAUSES[0]):
        stage.submit("owed", PLAIN)
        wait_until(lambda: "*" in stage.store.paused())
        assert "PAUSED: " in stage.place.run("status", "owed").stdout
    for change in PAUSES[1:]:
        with stage.changed(**change):
            stage.meets(2)
    stage.end("owed-before")
    stage.end("owed")


def test_submissions_that_meet_one_outage_after_another_are_bought_once(stage: Stage) -> None:
    stage.submit("sent", IN_FLIGHT)
    wait_until(lambda: stage.sent("sent"))
    for name in ("sent", *submitted_into_outages(stage, SENT)):
        stage.end(name)


def test_outages_of_polls_one_after_another_tell_nothing_of_any_task(stage: Stage) -> None:
    stage.submit("read", [*PLAIN, *IN_FLIGHT, (f"latency=4 errors=1 {OFF}", 2)])
    for kind in READ:
        with stage.changed(outage=kind, outage_scope="polls"):
            stage.meets(2)
    stage.end("read")


def submitted_into_outages(stage: Stage, kinds: Sequence[str]) -> list[str]:
    """Submit a batch into each kind of outage, and end the last; returns their names."""
    resize(stage.store, 64)  # earlier refusals may have left few slots, and what is lost holds them
    with stage.changed(outage=None):
        for kind in kinds:
            stage.simulator.change(outage=kind)
            stage.submit(f"sent-{kind}", [("", 1), (OFF, 2)])
            state = State.SUBMITTING if kind == "hang" else State.RESOLVING
            wait_until(lambda now=(f"sent-{kind}", state): stage.are(*now))
    return [f"sent-{kind}" for kind in kinds]


@pytest.mark.parametrize("scope", ["submissions", "polls"])
def test_a_service_of_which_every_second_request_fails_is_good_enough(
    scope: str, stage: Stage
) -> None:
    with stage.changed(outage="html", outage_every=2, outage_scope=scope):
        for name in (f"{scope}-1", f"{scope}-2"):  # one of the two meets it first
            stage.submit(name, [("", 1), (OFF, 2)])
            stage.end(name)


def test_one_task_that_no_request_survives_takes_no_other_with_it(stage: Stage) -> None:
    stage.submit("poisoned", [("", 1), ("drop=before", 1), (OFF, 2)])
    for n in range(20):  # only what is lost while others are taken is known to be its own fault
        if "parked" in stage.records("poisoned")[1].flags:
            break
        stage.submit(f"taken-{n}", [("", 1)])
        stage.end(f"taken-{n}")
    first, poison, last = stage.records("poisoned")
    assert "parked" in poison.flags
    assert (first.state, last.state) == (State.COMPLETED, State.COMPLETED)
    assert (poison.state, poison.cost) == (State.RESOLVING, 0)


def test_one_task_whose_polls_are_never_answered_holds_up_no_other(stage: Stage) -> None:
    stage.submit("spoiled", [("transfer=cut webhook=delay:10", 1), *[(OFF, 2)] * 4])
    wait_until(
        lambda: (
            [one.ended_at is not None for one in stage.records("spoiled")] == [False] + [True] * 4
        ),
        30,
    )
    stage.end("spoiled")


def test_a_result_that_comes_after_the_task_expired_amends_the_failure(stage: Stage) -> None:
    stage.submit("expired", [("retention=0 expired=taskExpired webhook=delay:5", 1)])
    wait_until(lambda: stage.are("expired", State.FAILED))
    wait_until(lambda: stage.are("expired", State.COMPLETED))
    stage.end("expired", code=3)
