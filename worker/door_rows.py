"""What a door's row in Flower shows: one row per seat, so that they do not drown the jobs."""

import threading
import time
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

EVERY = 5.0
"""Seconds between two events of a seat."""


@dataclass
class _Tally:
    shown_at: float
    runs: int = 0
    done: int = 0


class DoorRows:
    """What doors have done, by seat, since each was last shown; of all threads of a process."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._seats: dict[str, _Tally] = {}
        self._lock = threading.Lock()

    def ran(self, seat: str, done: int, seconds: float) -> list[tuple[str, dict[str, Any]]]:
        """Count one run; returns the event to send where it is time for one."""
        now = time.time()
        with self._lock:
            tally = self._seats.setdefault(seat, _Tally(0.0))
            tally.runs += 1
            tally.done += done
            if now - tally.shown_at < EVERY:
                return []
            self._seats[seat] = _Tally(now)
        row = {
            "uuid": str(uuid5(NAMESPACE_URL, f"{self._namespace}/{seat}")),
            "name": f"reelqueue.{seat.partition(':')[0]}",
            "args": f"('{seat}',)",
            "kwargs": "{}",
            "received": now - seconds,
            "started": now - seconds,
            "timestamp": now,
            "runtime": seconds,
            "result": repr({"runs": tally.runs, "done": tally.done}),
        }
        return [("task-succeeded", row)]
