"""The store: a connection, and a typed method for each script on the path of a job.

The scripts alone write records. Those that users, callers and Flower need are called where they
are used (verbs, callers, outbox, pruning and others).
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tasks.claims import LEASE, Claim, Claimed, Due, claimed, clock_ms, due, ms, pack
from tasks.clock import passing
from tasks.connection import connect, store_errors
from tasks.errors import Category, StoreRefused, category
from tasks.keys import Keys
from tasks.last_claim import LastClaim
from tasks.limits import Limits
from tasks.lua import Argument, Scripts
from tasks.marks import Marks
from tasks.move_calls import Moves
from tasks.outlook import Outlook, outlook
from tasks.wire.answer import Item, Kind

POLL_HOLD = 30.0
"""Seconds a task taken for a poll is left alone by other pollers: above that deadline too."""
UNSETTLED = 60.0
"""Age in seconds of the oldest unsettled ending at which claiming pauses."""
QUARANTINE_MOST = 16
"""Bodies that cannot be understood kept per job."""
PIECE = 10
"""Jobs claimed by one script call, which holds up the store for less than a millisecond: 0.2 ms and
0.07 ms a job among a million of them (benchmarks, growth)."""

_CLOSED = {
    "cancelling": "this batch is being cancelled, so it takes no rows; submit again when that is "
    "over",
    "cancelled": "this batch was cancelled meanwhile; what of it was not queued yet stays out",
    "sealed": "another submit of this batch has just ended; submit it again",
}
"""Why a batch takes no rows, by the script's word."""


class Store:
    """Guarded access to one namespace of one Redis or Valkey."""

    def __init__(self, client: Any, namespace: str) -> None:  # noqa: ANN401  redis-py's own
        # types are unions of its synchronous and asynchronous answers
        self.client = client
        self.keys = Keys(namespace)
        self.scripts = Scripts(client, self.keys)
        self.shelf: dict[tuple[str, str], Any] = {}  # parts of requests, once read
        self.last_claim = LastClaim()
        self.limits = Limits(client, self.keys)
        self.marks = Marks(client, self.keys, self.scripts)

    @classmethod
    def open(cls, url: str, namespace: str, timeout: float = 5.0) -> "Store":
        """Return a store; nothing is sent yet. `timeout` is in seconds per command."""
        return cls(connect(url, timeout), namespace)

    # -- queueing

    def open_batch(self, name: str, batch_id: str, priority: int, *, known: bool = False) -> str:
        """Find or create the batch `name`; returns the id it has, ready to take rows.

        `known` says that the batch was there before, wherever that is recorded.
        """
        told = self.scripts.run("open_batch", name, batch_id, priority, int(known))
        return str(told.decode())

    def budget(self, batch: str, most: int, bound: int | None) -> None:
        """Let a batch cost at most `most`, its inputs at most `bound` each (nano-dollars).

        Without a bound it is learned from the first jobs, which go one at a time.
        """
        self.scripts.run("budget", batch, most, "" if bound is None else bound)

    def learn_bound(self, batch: str, nano: int) -> None:
        """Learn what an input of a batch may cost at most, where the user gave no bound."""
        self.scripts.run("bound", batch, nano)

    def share(self, batch: str, parts: Mapping[str, bytes]) -> None:
        """Store the request parts that rows of a batch have in common, by digest."""
        if parts:
            with store_errors():
                self.client.hset(self.keys("shared", batch), mapping=dict(parts))

    def enqueue(self, batch: str, rows: Iterable[Sequence[Argument]]) -> list[str]:
        """Record rows as the script reads them; per row 'added', 'known' or 'differs'.

        Raises:
            StoreRefused: another submit of the same batch has sealed it, or it was cancelled.
        """
        return self._record("enqueue", batch, rows)

    def withhold(self, batch: str, rows: Iterable[Sequence[Argument]]) -> list[str]:
        """Record rows, each with its failure, as jobs that have failed; 'added' or 'known'.

        Raises:
            StoreRefused: as of `enqueue`.
        """
        return self._record("withhold", batch, rows)

    def _record(self, script: str, batch: str, rows: Iterable[Sequence[Argument]]) -> list[str]:
        told = self.scripts.run(script, batch, *(value for row in rows for value in row))
        if isinstance(told, bytes):
            raise StoreRefused(_CLOSED[told.decode()])
        return [word.decode() for word in told]

    def seal(self, batch: str) -> int:
        """Close a batch to new rows; returns its number of jobs."""
        return int(self.scripts.run("seal", batch))

    # -- submitting and polling

    def place(self, url: str) -> str:
        """Return the index under which a callback URL is frozen into jobs."""
        with store_errors():
            for index in range(1, 1000):
                self.client.hsetnx(self.keys("meta"), f"place{index}", url)
                if self.client.hget(self.keys("meta"), f"place{index}") == url.encode():
                    return str(index)
        raise StoreRefused("a thousand callback URLs were used with this store; start a new one")

    def places(self) -> dict[str, str]:
        """Return all callback URLs by index."""
        with store_errors():
            meta = self.client.hgetall(self.keys("meta"))
        return {
            name.decode().removeprefix("place"): url.decode()
            for name, url in meta.items()
            if name.startswith(b"place")
        }

    def claim(self, most: int, bound: float, place: str, kid: str, lifetime: int) -> Claim:
        """Take up to `most` jobs for the free slots; `bound` is the longest a slot is held."""
        taken_at, fixed = passing(), (ms(LEASE), ms(bound), place, kid, lifetime, ms(UNSETTLED))
        token, free, jobs, doubted = b"", 0, list[Claimed](), -1
        mark, *names = self.last_claim.mark, self.last_claim.worker, self.last_claim.former
        while len(jobs) < most:  # piece by piece, so that no script takes long
            asked = min(PIECE, most - len(jobs))
            answer = self.scripts.run("claim", asked, *fixed, token, mark, *names)
            doubt, told, left, given, *more = answer
            if not told:  # nothing may be, or can be, claimed
                break
            token, free, doubted = told, left, doubt if doubted < 0 else doubted
            jobs += map(claimed, more)
            if given:  # before any of it is sent
                mark = given.decode()
                self.last_claim.claimed(mark)
            if len(more) < asked:
                break
        return Claim(token.decode(), tuple(jobs), int(free), taken_at, doubted)

    def has_lost(self, claim: Claim) -> bool:
        """Whether the store came up anew since the claim, and may have lost it."""
        return int(self.scripts.run("doubted")) != claim.doubted

    def claim_due(self, most: int) -> tuple[int, list[Due]]:
        """Take up to `most` tasks due for a poll; returns the store's time in ms and them."""
        sent, sequence, *tasks = self.scripts.run("claim_due", most, ms(POLL_HOLD))
        return int(sent), [due(int(sequence), task) for task in tasks]

    def heard(self, sent: int, least: float) -> list[tuple[int, int]]:
        """Note an answered poll; returns the last gaps of at least so many seconds, in ms."""
        numbers = iter(map(int, self.scripts.run("heard", sent, ms(least))))
        return list(zip(numbers, numbers, strict=True))

    def unhold(self, sent: int, due: Iterable[Due], wait: float) -> None:
        """Let tasks that a poll sent at `sent` told nothing of be due in `wait` seconds."""
        names = [task.task_uuid for task in due]
        if names:
            self.scripts.run("unhold", sent + ms(POLL_HOLD), ms(wait), *names)

    @contextmanager
    def moves(self) -> Iterator[Moves]:
        """Collect moves and run them on leaving, in one round trip."""
        collected = Moves()
        yield collected
        if collected.calls:
            collected.answers = self.scripts.run_all(collected.calls)

    def deliver(self, job: str, items: Iterable[Item]) -> str:
        """Keep delivered results by membership; see callback.lua for what it returns."""
        flat: list[Argument] = []
        for item in items:
            flat += [item.task_uuid or "", item.kind.value, item.digest, _told(item), pack([item])]
        return str(self.scripts.run("callback", job, *flat).decode())

    def quarantine(self, job: str, digest: str, body: bytes) -> str:
        """Keep a body that cannot be understood; 'kept', 'known' or 'full'."""
        packed = zlib.compress(body)
        return str(self.scripts.run("quarantine", job, digest, packed, QUARANTINE_MOST).decode())

    # -- flow

    def pause(self, batch: str, reason: str, probe_after: float) -> None:
        """Claim nothing from `batch` (or, with `*`, from any) for `probe_after` seconds."""
        self.scripts.run("pause", batch, reason[:200], ms(probe_after))

    def paused(self) -> dict[str, str]:
        """Return the reasons of the provider's pauses by batch id, `*` for the whole queue.

        Where the user has paused all, the user's word stands for the whole queue.
        """
        with store_errors():
            ids = [name.decode() for name in self.client.zrange(self.keys("paused"), 0, -1)]
            reasons = [
                self.client.hget(self.keys("meta") if b == "*" else self.keys("batch", b), "paused")
                for b in ids
            ]
            held = self.client.hget(self.keys("meta"), "held")
        told = {b: (reason or b"").decode() for b, reason in zip(ids, reasons, strict=True)}
        return told | ({"*": held.decode()} if held else {})

    def window(self) -> tuple[int, int]:
        """Return the window and how many of its slots are taken."""
        with store_errors():
            limit = self.client.hget(self.keys("meta"), "window")
            return int(limit or 0), int(self.client.zcard(self.keys("slots")))

    def sweep(self) -> tuple[int, int, int, int]:
        """Do what time alone decides; returns leases, delays, slots, pauses dealt with."""
        leases, delays, slots, pauses = self.scripts.run("sweep")
        return int(leases), int(delays), int(slots), int(pauses)

    def outlook(self) -> Outlook:
        """Return what there is to do now."""
        return outlook(list(map(int, self.scripts.run("outlook"))))

    def unshown(self) -> int:
        """Return how many script runs made moves that Flower has not been told of."""
        with store_errors():
            return int(self.client.xlen(self.keys("shown")))

    def nudge(self) -> None:
        """Wake the tick thread; the list never holds more than one entry."""
        with store_errors():
            pipe = self.client.pipeline(transaction=False)
            pipe.rpush(self.keys("nudge"), "1").ltrim(self.keys("nudge"), 0, 0).execute()

    def await_nudge(self, waiting: Any, seconds: float) -> None:  # noqa: ANN401  a client of its own
        """Wait until something may be to do, at most `seconds`."""
        with store_errors():
            waiting.blpop([self.keys("nudge")], timeout=seconds)

    def now(self) -> int:
        """Return the store's time in ms, which all its records have."""
        with store_errors():
            return clock_ms(self.client.time())

    def probe(self) -> None:
        """Write something, to see whether a callback could be stored."""
        with store_errors():
            self.client.set(self.keys("probe"), "1", ex=60)

    def oversize(self, job: str) -> None:
        """A callback was too large to keep: let the job be polled."""
        self.scripts.run("oversize", job)

    def has_ticker(self) -> bool:
        """Whether a worker is alive that hands out work."""
        with store_errors():
            return bool(self.client.exists(self.keys("leader")))


def _told(item: Item) -> str:
    """Return the cost of a result, or the code of an error; empty where it is not known."""
    if item.kind is Kind.ERROR:
        return "" if category(item.code) is Category.UNKNOWN else item.code
    return "" if item.cost is None else str(item.cost)
