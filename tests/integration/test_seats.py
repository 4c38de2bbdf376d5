"""Seats that the ticker gives to doors."""

import pytest
from core_driver import Rig, queue, row
from store_driver import StoreServer

from tasks.outbox import SHOWN, Outbox
from tasks.store import Store
from worker.build import Crew
from worker.door_rows import DoorRows
from worker.seats import Seat
from worker.ticks import SEATS, Ticker
from worker.watchdog import Watchdog


@pytest.fixture
def ticker(store: Store, store_server: StoreServer) -> Ticker:
    """Give a ticker that leads, and sees submissions that come before polls."""
    rig = Rig(store, "http://127.0.0.1:1", REDIS_URL=store_server.url, REELQUEUE_TASKS_PER_POST=1)
    queue(store, *[row() for _ in range(4)])
    boxes = Outbox(store, "one"), Outbox(store, "one", stream=SHOWN)
    watchdog = Watchdog(rig.context.log)
    return Ticker(Crew("one", rig.context, *boxes, DoorRows("tests"), watchdog))


def test_one_door_polls_and_no_more_while_submissions_come_first(
    store: Store, ticker: Ticker
) -> None:
    store.client.zadd(store.keys("due"), {f"task-{n}": store.now() for n in range(500)})
    others = [f"{kind}:{n}" for kind in SEATS if kind != "poll" for n in range(SEATS[kind])]
    for name in (*others, "poll:0"):  # taken longer ago than a door needs to begin
        Seat(store, name, "busy").take()
    ticker._tick()  # noqa: SLF001  the thread's own loop would go on
    assert store.client.keys(store.keys("seat", "poll:*")) == [
        store.keys("seat", "poll:0").encode()
    ]
