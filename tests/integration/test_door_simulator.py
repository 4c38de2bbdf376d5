"""The provider's own deliveries, as the simulator makes them, through the real door."""

import pytest
from door_driver import PATH, Door
from simulator_driver import Simulator, task, wait_until

from tasks.job import State

pytest_plugins = ("door_fixtures",)


@pytest.mark.parametrize(
    "mode", ["dup:1", "dup:12", "wrapped", "list", "nostatus", "dup:3,wrapped"]
)
def test_every_way_it_delivers_completes_the_job_at_its_price(
    door: Door, simulator: Simulator, mode: str
) -> None:
    job = door.job(expected=4)
    url = f"{door.base}{PATH}?{door.query(job)}"
    asked = task(
        f"[[sim: webhook={mode}]]",
        taskUUID=job,
        numberResults=4,
        includeCost=True,
        webhookURL=url,
    )

    assert simulator.ask(asked)["data"]

    def delivered() -> bool:
        results = simulator.truth(f"/{job}")["results"]
        return len(results) == 4 and all(one["webhooks"]["acknowledged"] for one in results)

    wait_until(delivered)
    ended = door.record(job)
    assert (ended.state, door.results(job)) == (State.COMPLETED, 4)
    assert ended.cost == simulator.truth(f"/{job}")["charged_nano"]
    assert set(simulator.truth(f"/{job}")["webhook_statuses"]) == {204}


def test_a_failure_is_delivered_once_and_left_to_a_poll(door: Door, simulator: Simulator) -> None:
    job = door.job()
    url = f"{door.base}{PATH}?{door.query(job)}"

    simulator.ask(task("[[sim: fail=timeoutProvider]]", taskUUID=job, webhookURL=url))

    wait_until(lambda: door.is_due(job))
    assert door.record(job).state in {State.SUBMITTING, State.PROCESSING}
    assert set(wait_until(lambda: simulator.truth(f"/{job}")["webhook_statuses"])) == {204}
