"""A callback key that leaked is dropped at once, with jobs in flight: polling finishes them."""

from pathlib import Path

from simulator_driver import Simulator, wait_until
from stack_driver import Place, assert_true, by_uuid, real, store_of, up

from tasks import reading
from tasks.job import State
from tasks.store import Store
from tasks.token import new_keys


def in_flight(place: Place) -> int:
    store = store_of(place)
    jobs = [job for page in reading.rows(store, batch_of(store)) for job in page]
    return sum(
        one is not None and one.state is State.PROCESSING for one in reading.records(store, jobs)
    )


def batch_of(store: Store) -> str:
    (batch,) = reading.batches(store)
    return batch.id


def statuses(provider: Simulator, task_uuid: str) -> list[int | str]:
    """Return how the callbacks of a task were answered."""
    told: list[int | str] = by_uuid(provider)[task_uuid]["webhook_statuses"]
    return told


def test_jobs_in_flight_finish_by_poll_when_their_key_is_dropped(
    provider: Simulator, tmp_path: Path
) -> None:
    place = Place(tmp_path, **real(provider, REELQUEUE_POLL_FIRST="0.3", REELQUEUE_POLL_MAX="0.5"))
    place.env |= {
        "PUBLIC_URL": f"http://127.0.0.1:{place.ports[0]}",
        "REELQUEUE_SECRETS": new_keys().replace("k1:", "leaked:"),
    }
    rows = [{"prompt": f"dropped {n} [[sim: latency=8]]"} for n in range(3)]
    with up(place):
        assert place.run("submit", place.manifest("leaked", *rows)).returncode == 0
        wait_until(lambda: in_flight(place) == 3, 20)

    place.env["REELQUEUE_SECRETS"] = new_keys().replace("k1:", "fresh:")
    with up(place):
        assert place.run("watch", "leaked").returncode == 0
        told = place.results("leaked")
        wait_until(lambda: all(401 in statuses(provider, row["task_uuid"]) for row in told))

    assert [row["state"] for row in told] == ["completed"] * 3
    assert_true(told, provider)
