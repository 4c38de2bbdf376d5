"""Celery tasks: each checks its seat, calls a step until there is no more to do, and leaves.

They send no events: Flower shows jobs, and thousands of polls would push them out of its memory.
"""

from collections.abc import Callable
from time import monotonic, sleep

from tasks import steps
from tasks.context import Context
from tasks.settle import settle
from tasks.sweep import sweep
from worker.app import app
from worker.build import crew
from worker.events import show_endings
from worker.room import Room
from worker.seats import Seat, watching

STINT = 15.0
"""Seconds a door goes on while there is work; with one HTTP exchange more it is below a seat's."""
LINGER = 0.25
"""Seconds a submit door waits for slots to come free; less than a watch lasts."""
LOOK = 0.01
"""Seconds between two looks for them."""


@app.task(name="reelqueue.submit", send_events=False)
def submit_door(seat: str, holder: str) -> dict[str, int]:
    """Claim and send jobs."""
    return _work(seat, holder, steps.submit, _worth_a_post)


@app.task(name="reelqueue.poll", send_events=False)
def poll_door(seat: str, holder: str) -> dict[str, int]:
    """Ask for tasks that are due."""
    return _work(seat, holder, steps.poll, _worth_a_poll)


@app.task(name="reelqueue.settle", send_events=False)
def settle_door(seat: str, holder: str) -> dict[str, int]:
    """Show what has ended."""
    outbox = crew().outbox
    return _work(seat, holder, lambda c: settle(outbox, c.store, show_endings, c.log))


@app.task(name="reelqueue.sweep", send_events=False)
def sweep_door(seat: str, holder: str) -> dict[str, int]:
    """Deal with what time alone decides."""
    return _work(seat, holder, lambda c: sweep(c.store, c.log, c.settings.retention))


def _worth_a_post(context: Context, _moved: int) -> bool:
    """Wait a moment for slots: a door that is here takes them sooner than one sent for."""
    with watching(context.store) as is_ours:
        room, until = Room(context.settings.tasks_per_post), monotonic() + LINGER
        while is_ours and monotonic() < until:
            if room.is_worth_a_post(context.store.outlook()):
                return True
            sleep(LOOK)
    return False


def _worth_a_poll(context: Context, moved: int) -> bool:
    return context.store.outlook().due >= moved


def _anything(_context: Context, _moved: int) -> bool:
    return True


def _work(
    name: str,
    holder: str,
    step: Callable[[Context], int],
    goes_on: Callable[[Context, int], bool] = _anything,
) -> dict[str, int]:
    """Run a step while it moves jobs and goes on; a seat that was given to another ends it."""
    context, until, done = crew().context, monotonic() + STINT, 0
    seat = Seat(context.store, name, holder)
    try:
        while monotonic() < until and seat.keep():
            moved = step(context)
            done += moved
            if not moved or not goes_on(context, moved):
                break
    finally:
        seat.leave()
    return {"done": done}
