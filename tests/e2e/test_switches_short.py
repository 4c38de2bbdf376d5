"""What the long tests of the switches meet, each word of it once."""

import pytest
from simulator_driver import wait_until
from stage_driver import Stage
from test_switches import IN_FLIGHT, submitted_into_outages
from test_switches_table import CALM, MERGED, OFF, PAUSES, PLAIN, STATUSES, STORM, thinned


def test_every_directive_ends_in_records_that_are_true(stage: Stage) -> None:
    stage.submit("calm", thinned(CALM))
    wait_until(lambda: stage.sent("calm"))
    stage.submit("storm", thinned(STORM, STATUSES))
    stage.end("calm")
    stage.end("storm")


@pytest.mark.parametrize("name", MERGED)
def test_every_setting_ends_in_records_that_are_true(name: str, stage: Stage) -> None:
    settings, tasks = MERGED[name]
    batch = name.replace(" ", "-")
    with stage.changed(**settings):
        stage.submit(batch, tasks)
        stage.end(batch)


def test_what_refuses_everybody_holds_jobs_back_and_fails_none(stage: Stage) -> None:
    with stage.changed(**PAUSES[0]):
        stage.submit("owed", PLAIN)
        wait_until(lambda: "*" in stage.store.paused())
    for change in PAUSES[1:]:
        with stage.changed(**change):
            stage.meets(1)
    stage.end("owed")


def test_outages_tell_nothing_of_any_task(stage: Stage) -> None:
    stage.submit("read", IN_FLIGHT)
    wait_until(lambda: stage.sent("read"))
    with stage.changed(outage="garbage", outage_scope="polls"):
        stage.meets(1)
    for name in ("read", *submitted_into_outages(stage, ["refuse", "hang"])):
        stage.end(name)
    with stage.changed(outage="html", outage_every=2, outage_scope="submissions"):
        stage.submit("every", [("", 1), (OFF, 2)])
        stage.end("every")


def test_media_that_the_provider_does_not_know_fail_their_jobs_unbought(stage: Stage) -> None:
    with stage.changed(media_check="strict"):
        stage.submit("unknown-media", [("", 1)])
        assert [row["state"] for row in stage.end("unknown-media")] == ["failed"]
