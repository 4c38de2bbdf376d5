"""Our client meets all that the simulator can send, and its records say what really happened."""

from collections.abc import Iterator

import pytest
from simulator_driver import Simulator, wait_until
from stack_driver import Place, Stage, Task, real, store_of, up
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

QUICK = {
    "REELQUEUE_POLL_FIRST": "0.2",
    "REELQUEUE_POLL_MAX": "0.5",
    "REELQUEUE_RESOLVE_AFTER": "0.9",
    "REELQUEUE_WINDOW_START": "64",
}
IN_FLIGHT: list[Task] = [("latency=1.5", 2), (f"latency=1.5 {OFF}", 1)]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    simulator = Simulator("--latency", "0.3")
    place = Place(tmp_path_factory.mktemp("switches"), **real(simulator, **QUICK))
    place.env["PUBLIC_URL"] = f"http://127.0.0.1:{place.ports[0]}"
    try:
        with up(place), Stage(simulator, place, store_of(place)) as shown:
            yield shown
    finally:
        simulator.stop()


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
    wait_until(lambda: stage.are("sent", State.PROCESSING))
    stage.store.resize(64)  # earlier refusals may have left few slots, and what is lost holds them
    with stage.changed(outage=None):
        for kind in SENT:
            stage.simulator.change(outage=kind)
            stage.submit(f"sent-{kind}", [("", 1), (OFF, 2)])
            state = State.SUBMITTING if kind == "hang" else State.RESOLVING
            wait_until(lambda now=(f"sent-{kind}", state): stage.are(*now))
    for name in ("sent", *(f"sent-{kind}" for kind in SENT)):
        stage.end(name)


def test_outages_of_polls_one_after_another_tell_nothing_of_any_task(stage: Stage) -> None:
    stage.submit("read", [*PLAIN, *IN_FLIGHT, (f"latency=4 errors=1 {OFF}", 2)])
    for kind in READ:
        with stage.changed(outage=kind, outage_scope="polls"):
            stage.meets(2)
    stage.end("read")


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
    first, poison, last = wait_until(
        lambda: "parked" in stage.records("poisoned")[1].flags and stage.records("poisoned"), 20
    )
    assert (first.state, last.state) == (State.COMPLETED, State.COMPLETED)
    assert (poison.state, poison.cost) == (State.RESOLVING, 0)


def test_one_task_whose_polls_are_never_answered_holds_up_no_other(stage: Stage) -> None:
    stage.submit("spoiled", [("transfer=cut webhook=delay:4", 1), *[(OFF, 2)] * 4])
    wait_until(
        lambda: (
            [one.ended_at is not None for one in stage.records("spoiled")] == [False] + [True] * 4
        )
    )
    stage.end("spoiled")


def test_media_that_the_provider_does_not_know_fail_their_jobs_unbought(stage: Stage) -> None:
    with stage.changed(media_check="strict"):
        stage.submit("unknown-media", [("", 1)])
        assert [row["state"] for row in stage.end("unknown-media")] == ["failed"]


def test_a_result_that_comes_after_the_task_expired_amends_the_failure(stage: Stage) -> None:
    stage.submit("expired", [("retention=0 expired=taskExpired webhook=delay:1.5", 1)])
    wait_until(lambda: stage.are("expired", State.FAILED))
    wait_until(lambda: stage.are("expired", State.COMPLETED))
    stage.end("expired", code=3)
