"""Celery tasks: each checks its seat, calls a step until there is no more to do, and leaves.

They send no events of Celery's own, which would push the jobs out of Flower's memory: each seat has
one row (door_rows.py).
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic, sleep

from tasks import lately, steps
from tasks.context import Context
from tasks.errors import StoreAway
from tasks.outbox import ENDS, SHOWN, Entry, Stream, drain
from tasks.settle import settle
from tasks.sweep import sweep
from worker.app import app
from worker.build import crew
from worker.completion import complete
from worker.events import send, show, show_again, show_batches
from worker.room import Room, comes_first, is_crowded
from worker.seats import Seat, watching

STINT = 15.0
"""Seconds a door goes on while there is work; with one HTTP exchange more it is below a seat's."""
LINGER = 0.25
"""Seconds a submit door waits for slots to come free; less than a watch lasts."""
LOOK = 0.01
"""Seconds between two looks for them."""
SETBACK = 1.0
"""Seconds that a door which fails keeps its seat."""
FIRST_POLL = "poll:0"
"""The seat of the door that polls whatever else there is to do."""


@app.task(name="reelqueue.submit", send_events=False)
def submit_door(seat: str, holder: str) -> dict[str, int]:
    """Claim and send jobs."""
    return _work(seat, holder, steps.submit, _worth_a_post)


@app.task(name="reelqueue.poll", send_events=False)
def poll_door(seat: str, holder: str) -> dict[str, int]:
    """Ask for tasks that are due."""
    goes_on = _worth_a_poll if seat == FIRST_POLL else _worth_another_poll
    return _work(seat, holder, steps.poll, goes_on)


@app.task(name="reelqueue.settle", send_events=False)
def settle_door(seat: str, holder: str) -> dict[str, int]:
    """Deal with what ended."""
    outbox = crew().outbox

    def effect(context: Context, ended: Sequence[Entry]) -> None:
        settle(context.store, context.log, ended)
        complete(context, ended)

    return _work(seat, holder, lambda c: drain(outbox, partial(effect, c)), _full(ENDS))


@app.task(name="reelqueue.show", send_events=False)
def show_door(seat: str, holder: str) -> dict[str, int]:
    """Show in Flower what has moved."""
    unshown = crew().unshown

    def step(context: Context) -> int:
        if lately.is_back(context.store):
            show_again(context)
        shown = drain(unshown, partial(show, context))
        show_batches(context)
        return shown

    return _work(seat, holder, step, _full(SHOWN))


@app.task(name="reelqueue.sweep", send_events=False)
def sweep_door(seat: str, holder: str) -> dict[str, int]:
    """Deal with what time alone decides."""
    return _work(seat, holder, lambda c: sweep(c.store, c.log, c.settings.retention))


def _worth_a_post(context: Context, moved: int) -> bool:
    """Wait a moment for slots: a door that is here takes them sooner than one sent for."""
    one_post = context.settings.tasks_per_post
    if moved >= one_post or is_crowded(context.store.outlook(), one_post):
        return True  # there may be more; or enough for another door, too
    with watching(context.store) as is_ours:
        room, until = Room(one_post), monotonic() + LINGER
        while is_ours and monotonic() < until:
            if room.look(context.store.outlook()):
                return True
            sleep(LOOK)
    return False


def _worth_another_poll(context: Context, _moved: int) -> bool:
    """Go on unless submissions come first."""
    outlook = context.store.outlook()
    return outlook.due > 0 and not comes_first(outlook, context.settings.tasks_per_post)


def _worth_a_poll(context: Context, moved: int) -> bool:
    return moved >= context.settings.uuids_per_poll or context.store.outlook().due >= moved


def _full(stream: Stream) -> Callable[[Context, int], bool]:
    """Go on while a stream gives full portions; of the rest the ticker makes one a second."""
    return lambda _context, moved: moved >= stream.most


def _anything(_context: Context, _moved: int) -> bool:
    return True


def _work(
    name: str,
    holder: str,
    step: Callable[[Context], int],
    goes_on: Callable[[Context, int], bool] = _anything,
) -> dict[str, int]:
    """Run a step while it moves jobs and goes on; a seat that was given to another ends it."""
    context, begun, done = crew().context, monotonic(), 0
    seat = Seat(context.store, name, holder)
    try:
        while monotonic() < begun + STINT and seat.renew():
            moved = step(context)
            done += moved
            if not moved or not goes_on(context, moved):
                break
    except Exception:
        sleep(SETBACK)  # the next would fail at once, too
        raise
    finally:
        seat.leave()
    with suppress(StoreAway):
        send(crew().door_rows.ran(name, done, monotonic() - begun))
    return {"done": done}
