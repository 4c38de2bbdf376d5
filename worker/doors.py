"""Celery tasks: each checks its seat, calls a step until there is no more to do, and leaves.

They send no events: Flower shows jobs, and thousands of polls would push them out of its memory.
"""

from collections.abc import Callable
from time import monotonic

from tasks import steps
from tasks.settle import settle
from tasks.sweep import sweep
from worker.app import app
from worker.build import Crew, crew
from worker.events import show_endings
from worker.seats import Seat

STINT = 15.0
"""Seconds a door goes on while there is work; with one HTTP exchange more it is below a seat's."""


@app.task(name="reelqueue.submit", send_events=False)
def submit_door(seat: str, holder: str) -> dict[str, int]:
    """Claim and send jobs."""
    full = crew().context.settings.tasks_per_post
    return _work(seat, holder, lambda c: steps.submit(c.context), full)


@app.task(name="reelqueue.poll", send_events=False)
def poll_door(seat: str, holder: str) -> dict[str, int]:
    """Ask for tasks that are due."""
    full = crew().context.settings.uuids_per_poll
    return _work(seat, holder, lambda c: steps.poll(c.context), full)


@app.task(name="reelqueue.settle", send_events=False)
def settle_door(seat: str, holder: str) -> dict[str, int]:
    """Show what has ended."""
    return _work(seat, holder, _settle, 1)


@app.task(name="reelqueue.sweep", send_events=False)
def sweep_door(seat: str, holder: str) -> dict[str, int]:
    """Deal with what time alone decides."""
    return _work(seat, holder, lambda c: sweep(c.context.store, c.context.log), 1)


def _settle(member: Crew) -> int:
    return settle(member.outbox, member.context.store, show_endings, member.context.log)


def _work(name: str, holder: str, step: Callable[[Crew], int], full: int) -> dict[str, int]:
    """Run a step while each run is a full one; a seat that was given to another ends it."""
    member, until, done, moved = crew(), monotonic() + STINT, 0, full
    seat = Seat(member.context.store, name, holder)
    try:
        while moved >= full and monotonic() < until and seat.keep():
            moved = step(member)
            done += moved
    finally:
        seat.leave()
    return {"done": done}
