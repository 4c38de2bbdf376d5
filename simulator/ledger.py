"""All that the simulator remembers: who submitted what, what was bought, what was delivered."""

import hashlib
import heapq
import itertools
import math
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from http import HTTPStatus

from simulator import outcomes
from simulator.errors import Item
from simulator.outcomes import Purchase, Result, Terms
from simulator.records import Accepted, Counts, Kept, Progress, Submission, TaskRecord, Totals
from simulator.request import Request
from simulator.settings import Settings, Switchboard

_KEPT_BYTES = 1_000_000
_NANO = 1_000_000_000
_SUCCESSES = range(HTTPStatus.OK, HTTPStatus.MULTIPLE_CHOICES)


class Ledger:
    """The memory of one simulator. One lock; every method is short and scans nothing."""

    def __init__(self, board: Switchboard) -> None:
        self._board = board
        self._lock = threading.RLock()
        self._numbers = itertools.count()
        self.reset()

    def reset(self) -> None:
        """Forget everything. Settings stay."""
        with self._lock:
            self.totals = Totals()
            self.counts = Counts()
            self.tasks: dict[str, TaskRecord] = {}
            self._finishing: list[tuple[float, int, TaskRecord, Purchase, Result]] = []
            self._applied: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def reading(self) -> Iterator["Ledger"]:
        """Hold the ledger still, all that is due finished, to read a consistent state."""
        with self._lock:
            self._finish_due(time.monotonic())
            yield self

    def count_post(self) -> None:
        """Count one request."""
        with self._lock:
            self.totals.posts += 1

    def count_polls(self, uuids: int) -> None:
        """Count the `getResponse` tasks of one request."""
        with self._lock:
            self.totals.polls += uuids > 0
            self.totals.polled_uuids += uuids

    def count(self, use: str) -> None:
        """Count one use of what is no asynchronous submission."""
        with self._lock:
            self.counts.uses[use] += 1

    def balance(self, at_start: Decimal) -> Decimal:
        """Return the dollars left on the account. Call it while `reading`."""
        return at_start - Decimal(self.totals.charged_nano) / _NANO

    def drops(self, request: Request) -> bool:
        """Say whether this submission's connection is to be closed before anything is accepted."""
        wanted = request.directives.drop
        with self._lock:
            return wanted is not None and wanted.applies(self._apply("drop", request))

    def note_dropped(self, request: Request, raw: bytes) -> None:
        """Record a submission that was thrown away unread, as far as its sender can know."""
        with self._lock:
            self._note(self._record(request.task_uuid, request), "dropped", raw)
            self.totals.dropped += 1

    def note_refused(
        self, task_uuid: str | None, code: str, raw: bytes, errors: list[Item] | None = None
    ) -> None:
        """Record a task that was refused before it could be considered.

        Args:
            task_uuid: None when the task did not name itself properly; then it is only counted.
            code: The error it was answered with.
            raw: The bytes of the task object.
            errors: All of it, where there is more to tell than the code.
        """
        with self._lock:
            self.totals.refused += 1
            self.counts.failures[code] += 1
            if task_uuid is not None:
                record = self._record(task_uuid)
                record.refused += 1
                self._note(record, code, raw, errors)

    def submit(self, request: Request, raw: bytes) -> Accepted | str:
        """Accept a task or refuse it.

        Returns:
            What was bought, or the code of the refusal: nothing was bought then.
        """
        with self._lock:
            now = time.monotonic()
            self._finish_due(now)
            record = self._record(request.task_uuid, request)
            code = self._refusal(record, request, now)
            self._note(record, code or "accepted", raw)
            if code is None:
                return Accepted(self._buy(record, request, now), record, self.totals)
            self._count_refusal(record, code)
            return code

    def recall(self, kept: Kept, raw: bytes, purchase: Purchase) -> Accepted:
        """Know a purchase of before a restart again.

        Args:
            kept: What was kept of it.
            raw: The bytes of the task object.
            purchase: What it is now; it is read only where more happens to it.
        """
        with self._lock:
            record = self._record(kept.task_uuid)
            record.fingerprint = kept.fingerprint
            self._note(record, "accepted", raw)
            self._applied["fail", kept.fingerprint] += 1
            self._enter(record, purchase, kept.delivery)
            if purchase.finish_at > time.monotonic() or kept.code is not None:
                self._schedule(record, purchase)
            else:
                self._charge(record, kept.cost_nano)
                self._end(purchase)
            return Accepted(purchase, record, self.totals)

    def progress(self, task_uuid: str) -> Progress | None:
        """Return how far a task is, or None if it is unknown."""
        with self._lock:
            record = self.tasks.get(task_uuid)
            if record is None or not record.purchases:
                return None
            purchase, now = record.purchases[-1], time.monotonic()
            if not purchase.request.kept:
                return None
            finished = [result for result in purchase.results if result.finish_at <= now]
            return Progress(
                purchase,
                finished,
                pending=purchase.results[len(finished) :],
                expired=now > purchase.finish_at + self._retention(purchase.request),
            )

    def note_pending(self, accepted: Accepted, more: int) -> None:
        """Count webhooks that will be sent, or that are over by now."""
        with self._lock:
            accepted.totals.webhooks_pending += more

    def note_webhook(self, accepted: Accepted, result: Result | None, status: int | str) -> bool:
        """Count one delivery; returns whether it was acknowledged.

        Args:
            accepted: The task it is about.
            result: That it told of; None where it told of none.
            status: How it was answered: an HTTP status, or what went wrong.
        """
        good = status in _SUCCESSES
        with self._lock:
            accepted.record.webhook_statuses.append(status)
            accepted.totals.webhooks_sent += 1
            accepted.totals.webhooks_acknowledged += good
            if result is not None:
                result.webhooks_sent += 1
                result.webhooks_acknowledged += good
        return good

    def _record(self, task_uuid: str, request: Request | None = None) -> TaskRecord:
        if task_uuid not in self.tasks:
            self.tasks[task_uuid] = TaskRecord(task_uuid)
            self.totals.tasks += 1
        record = self.tasks[task_uuid]
        if request is not None:
            record.fingerprint = request.fingerprint
        return record

    def _note(
        self, record: TaskRecord, outcome: str, raw: bytes, errors: list[Item] | None = None
    ) -> None:
        body = raw if len(raw) <= _KEPT_BYTES else None
        sha256 = hashlib.sha256(raw).hexdigest()
        record.submissions.append(Submission(outcome, sha256, len(raw), body, errors or []))

    def _refusal(self, record: TaskRecord, request: Request, now: float) -> str | None:
        settings, wanted = self._board.current, request.directives.refuse
        if self._conflicts(record, request.directives.remember or settings.remember, now):
            return "conflictTaskUUID"
        if wanted and wanted.applies(self._apply("refuse", request)):
            return wanted.word
        if settings.capacity is not None and self.totals.running >= settings.capacity:
            return "concurrentRequestLimitExceeded"
        return None

    def _conflicts(self, record: TaskRecord, remember: str, now: float) -> bool:
        if not record.purchases or remember == "never":
            return False
        return remember == "forever" or record.purchases[-1].finish_at > now

    def _retention(self, request: Request) -> float:
        common, own = self._board.current.retention, request.directives.retention
        chosen = common if own is None else own
        return math.inf if chosen is None else chosen

    def _count_refusal(self, record: TaskRecord, code: str) -> None:
        self.counts.failures[code] += 1
        if code == "conflictTaskUUID" and record.purchases:
            record.conflicts += 1
            self.totals.conflicts += 1
        else:
            record.refused += 1
            self.totals.refused += 1

    def _buy(self, record: TaskRecord, request: Request, now: float) -> Purchase:
        settings = self._board.current
        code = outcomes.failure_code(request, self._apply("fail", request))
        latency = 0.0 if "final" in request.directives.ack else self._latency(request, settings)
        number = record.purchases[-1].number + 1 if record.purchases else 1
        own = request.directives.bill_failed
        bill = settings.bill_failed if own is None else own
        purchase = Purchase(number, now, Terms(code, latency, bill), lambda: request)
        self._enter(record, purchase, request.delivery)
        self._schedule(record, purchase)
        return purchase

    def _enter(self, record: TaskRecord, purchase: Purchase, delivery: str) -> None:
        self.counts.uses[delivery] += 1
        self.totals.accepted += not record.purchases
        self.totals.purchases += 1
        self.totals.running += 1
        record.purchases.append(purchase)

    def _schedule(self, record: TaskRecord, purchase: Purchase) -> None:
        for result in purchase.results:
            entry = (result.finish_at, next(self._numbers), record, purchase, result)
            heapq.heappush(self._finishing, entry)

    def _latency(self, request: Request, settings: Settings) -> float:
        span = request.directives.latency or settings.latency
        return span.at(outcomes.share_of(request.task_uuid))

    def _apply(self, directive: str, request: Request) -> int:
        """Count one use of a directive for this work; return how many came before."""
        key = (directive, request.fingerprint)
        self._applied[key] += 1
        return self._applied[key] - 1

    def _finish_due(self, now: float) -> None:
        """Charge the results that are finished by now, and free the slots of whole tasks."""
        while self._finishing and self._finishing[0][0] <= now:
            _, _, record, purchase, result = heapq.heappop(self._finishing)
            self._charge(record, result.cost_nano)
            if isinstance(result.outcome, str):
                self.counts.failures[result.outcome] += 1
            if result is purchase.results[-1]:
                self._end(purchase)

    def _charge(self, record: TaskRecord, cost_nano: int) -> None:
        record.charged_nano += cost_nano
        self.totals.charged_nano += cost_nano

    def _end(self, purchase: Purchase) -> None:
        self.totals.running -= 1
        self.counts.finished += 1
        self.counts.seconds += purchase.terms.latency
