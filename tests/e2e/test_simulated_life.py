"""Without a key, too, what was running when `up` ended goes on with the next."""

import signal
from typing import Any

import requests
from simulator_driver import wait_until
from stack_driver import Place, store_of, up

from tasks import reading

ROWS = [{"prompt": f"number {n} [[sim: latency=8]]"} for n in range(6)]


def truth(place: Place) -> list[dict[str, Any]]:
    """Return what the simulator of `up` knows of every task."""
    base = (place.data / "simulator.url").read_text("ascii").removesuffix("/v1")
    tasks: list[dict[str, Any]] = requests.get(f"{base}/truth?tasks=1", timeout=5).json()["tasks"]
    return tasks


def test_tasks_of_the_simulator_outlive_an_interrupted_up_and_are_bought_once(place: Place) -> None:
    place.env |= {"REELQUEUE_POLL_FIRST": "1", "REELQUEUE_POLL_MAX": "1"}
    with up(place) as first:
        done = place.run("submit", place.manifest("films", *ROWS))
        assert done.returncode == 0, done.stderr
        wait_until(lambda: len(truth(place)) == len(ROWS))
        before = truth(place)
        assert first.stop(signal.SIGINT) == 0
        assert {task["state"] for task in before} == {"processing"}
    with up(place):
        wait_until(lambda: reading.batches(store_of(place))[0].open == 0, 30)
        after = {task["taskUUID"]: task for task in truth(place)}
        assert set(after) == {task["taskUUID"] for task in before}
        assert {task["purchases"] for task in after.values()} == {1}
        (batch,) = reading.batches(store_of(place))
        assert batch.states["completed"] == len(ROWS)
        assert batch.cost == sum(task["charged_nano"] for task in after.values())
    assert (place.data / "simulator.jsonl").stat().st_mode & 0o777 == 0o600
