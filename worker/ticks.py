"""The tick: one thread in every worker, of which the one that leads hands out seats to doors.

It waits on the nudge that moves leave in the store, so nothing is asked while nothing happens.
No beat process, no self-rescheduling task, no ETA.
"""

import threading
import time
import uuid
from typing import Any

from celery import bootsteps
from kombu.exceptions import OperationalError

from tasks import lately
from tasks.collector import calm
from tasks.connection import connect
from tasks.errors import StoreAway, StoreRefused
from tasks.installation import id_secret
from tasks.outbox import MOST
from worker.app import app
from worker.build import Crew, crew
from worker.config import doors
from worker.listeners import is_heard
from worker.room import BUSY, Room, comes_first
from worker.seats import Seat, is_watched, lead, resign
from worker.watchdog import CONSUMER, TICKER

IDLE = 1.0
"""Longest wait for a nudge in seconds; a leader renews its lease at least this often."""
PACE = 0.02
"""Least time between two ticks, however many moves nudge."""
PRUNING = 60.0
"""Seconds between two looks for batches past the retention."""
BATCHES = 5.0
"""Seconds between two looks at what batches show in Flower."""
SEATS = {"submit": 6, "poll": 8, "settle": 1, "sweep": 1, "show": 1}
"""Doors of a kind that may run at once, over all workers; one worker has threads for all."""
FRESH = 0.5
"""Seconds in which a door that was sent for is expected to take the work it was sent for."""


class Ticker(threading.Thread):
    """Hands out seats while this worker leads."""

    def __init__(self, member: Crew) -> None:
        super().__init__(name="ticker", daemon=True)
        self._crew = member
        self._store = member.context.store
        self._stopping = threading.Event()
        # Blocking reads hold their connection, so the ticker has its own.
        self._waiting: Any = connect(member.context.settings.store_url(), timeout=IDLE + 4)
        self._room = Room(member.context.settings.tasks_per_post)
        self._sent_at: dict[str, float] = {}
        self._settled_at = 0.0
        self._shown_at = 0.0
        self._asked_at = 0.0
        self._is_heard = False
        self._pruned_at = -PRUNING

    def run(self) -> None:
        """Tick until stopped; a store that is away is asked again every second."""
        while not self._stopping.is_set():
            self._crew.watchdog.beat(TICKER)
            try:
                self._tick()
            except (StoreAway, OperationalError) as exc:
                self._crew.context.log.warning("tick.failed", reason=str(exc))
                self._stopping.wait(IDLE)
            except Exception as exc:
                self._crew.context.log.exception("tick.failed", error=type(exc).__name__)
                self._stopping.wait(IDLE)

    def stop(self) -> None:
        """End the thread and let another worker lead."""
        self._stopping.set()
        self.join(timeout=IDLE + 4)
        try:
            resign(self._store, self._crew.name)
        except (StoreAway, StoreRefused) as exc:
            self._crew.context.log.info("tick.left", reason=f"{exc}; the lease runs out")
        self._waiting.close()

    def _tick(self) -> None:
        if not lead(self._store, self._crew.name):
            self._stopping.wait(IDLE)
            return
        outlook = self._store.outlook()
        settings = self._crew.context.settings
        if not outlook.window:
            self._furnish()
        self._seat("settle", int(self._worth_settling(outlook.endings)))
        self._seat("sweep", int(outlook.overdue or self._may_prune()))
        self._seat("show", int(self._worth_showing(outlook.unshown)))
        polls = -(-outlook.due // settings.uuids_per_poll)
        is_second = comes_first(outlook, settings.tasks_per_post)
        self._seat("poll", polls, among=1 if is_second else SEATS["poll"])
        if self._room.look(outlook) and not self._is_taken(outlook.claimable):
            self._seat("submit", -(-outlook.claimable // settings.tasks_per_post))
        self._stopping.wait(PACE)
        self._store.await_nudge(self._waiting, self._patience(outlook.wait, outlook.has_work))

    def _furnish(self) -> None:
        """Mark a store that was emptied while we worked on it: else all would wait for ever.

        Raises:
            StoreRefused: it is another provider's by now, or another installation's.
        """
        settings = self._crew.context.settings
        self._store.marks.check(settings.provider_mark, settings.window_start)
        id_secret(self._store, settings)
        if settings.callback_url:
            self._store.place(settings.callback_url)
        self._crew.context.log.warning("store.emptied", found="no mark: it was marked again")

    def _is_taken(self, claimable: int) -> bool:
        """Whether a door is there already that will take these slots in one POST."""
        one_post = self._crew.context.settings.tasks_per_post
        return claimable <= one_post and is_watched(self._store)

    def _may_prune(self) -> bool:
        """Whether a batch may have become old enough since it was last looked for."""
        now = time.monotonic()
        if self._crew.context.settings.retention is None or now - self._pruned_at < PRUNING:
            return False
        self._pruned_at = now
        return True

    def _worth_settling(self, endings: int) -> bool:
        """Settle a full portion, or what there is once a second."""
        if not endings or (endings < MOST and time.monotonic() - self._settled_at < IDLE):
            return False
        self._settled_at = time.monotonic()
        return True

    def _worth_showing(self, unshown: int) -> bool:
        """Show a full message of events, or what there is once a second, where Flower listens."""
        now = time.monotonic()
        if now - self._asked_at >= IDLE:
            self._asked_at = now
            self._look_for_flower()
        since = now - self._shown_at
        if since < (0 if unshown >= MOST else IDLE if unshown else BATCHES):
            return False
        if self._is_heard:
            self._shown_at = now
        return self._is_heard

    def _look_for_flower(self) -> None:
        hears = is_heard(self._store)
        if hears and not self._is_heard:
            lately.came_back(self._store)
        if lately.is_back(self._store):
            self._shown_at = 0.0
        self._is_heard = hears

    def _patience(self, wait: float, has_work: bool) -> float:  # noqa: FBT001  the outlook's word
        if has_work or self._room.is_waiting:
            return BUSY
        return max(BUSY, min(IDLE, wait))

    def _seat(self, kind: str, wanted: int, among: int = 0) -> None:
        """Send for `wanted` doors, counting those that are on their way to the same work.

        A seat that was taken earlier does not count: its door may hang, or have died with it. Only
        the first `among` seats are given where that is told.
        """
        for number in range(among or SEATS[kind]):
            if wanted <= 0:
                return
            self._crew.watchdog.beat(TICKER)  # of a slow store each answer takes a while
            name, now = f"{kind}:{number}", time.monotonic()
            seat = Seat(self._store, name, uuid.uuid4().hex)
            if seat.take():
                self._send_for(kind, seat)
                self._sent_at[name] = now
                wanted -= 1
            elif now - self._sent_at.get(name, -FRESH) < FRESH:
                wanted -= 1

    def _send_for(self, kind: str, seat: Seat) -> None:
        given, shown = (seat.name, seat.holder), f"('{seat.name}',)"  # the holder is the door's
        queue = doors(self._crew.context.settings.namespace)
        try:
            app.send_task(f"reelqueue.{kind}", args=given, argsrepr=shown, queue=queue, retry=False)
        except Exception:
            seat.leave()
            raise


class TickStep(bootsteps.StartStopStep):
    """Starts and stops the ticker with the worker."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:  # noqa: ANN401  Celery's signature
        super().__init__(parent, **kwargs)
        self.ticker: Ticker | None = None

    def start(self, parent: Any) -> None:  # noqa: ANN401, ARG002  the same
        """Start ticking once messages are consumed; a reconnect starts it anew."""
        self.ticker = Ticker(crew())
        crew().watchdog.expect(TICKER)
        calm()
        self.ticker.start()

    def register_with_event_loop(self, parent: Any, hub: Any) -> None:  # noqa: ANN401, ARG002  the same
        """Let the loop say that it goes round; what is asked for here ends with the connection."""
        crew().watchdog.expect(CONSUMER)
        hub.call_repeatedly(IDLE, crew().watchdog.beat, CONSUMER)

    def stop(self, parent: Any) -> None:  # noqa: ANN401, ARG002  the same
        """Stop before the pool does."""
        if self.ticker:
            for what in (TICKER, CONSUMER):
                crew().watchdog.rest(what)
            self.ticker.stop()
            self.ticker = None
