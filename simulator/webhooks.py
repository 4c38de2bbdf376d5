"""Delivers finished results to their `webhookURL`, again and again until a 2xx (contract §5)."""

import heapq
import itertools
import json
import logging
import queue
import random
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests

from simulator import items
from simulator.journal import Journal
from simulator.ledger import Ledger
from simulator.outcomes import Purchase, Result
from simulator.records import Accepted
from simulator.settings import Switchboard
from simulator.words import Modes

_SENDERS = 32
_FIRST_BACKOFF = 0.25
_LONGEST_BACKOFF = 8.0
# A longer answer is not read: the connection is given up instead.
_READ_BYTES = 65_536
# Between the webhooks of a task whose last result comes first: enough that none overtakes.
_REVERSE_SECONDS = 0.15

_log = logging.getLogger(__name__)
_jitter = random.SystemRandom()


@dataclass(slots=True)
class Delivery:
    """One webhook on its way.

    Attributes:
        url: Where to; its query may hold the receiver's secret and is never logged.
        result: The result it brings; None: it says that the task still runs.
        modes: How it is written.
        tries: How often it was sent.
        again: It was acknowledged before, and comes once more.
    """

    url: str
    accepted: Accepted
    result: Result | None
    modes: Modes
    tries: int = 0
    again: bool = False


class Webhooks:
    """A queue ordered by time, and a fixed number of threads that send what is due."""

    def __init__(self, board: Switchboard, ledger: Ledger, journal: Journal) -> None:
        self._board = board
        self._ledger = ledger
        self._journal = journal
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int, Delivery]] = []
        self._numbers = itertools.count()
        self._due: queue.SimpleQueue[Delivery] = queue.SimpleQueue()

    def start(self) -> None:
        """Start the threads. They are daemons: webhooks still pending never hold up the end."""
        for run in [self._keep_time] + [self._send_due] * _SENDERS:
            threading.Thread(target=run, name=f"webhooks-{run.__name__}", daemon=True).start()

    def expect(self, accepted: Accepted) -> None:
        """Plan the webhooks of a purchase, one per result, each for when it is finished."""
        request = accepted.purchase.request
        chosen = request.directives.webhook
        modes = self._board.current.webhook if chosen is None else chosen
        if request.webhook_url is None or "off" in modes:
            return
        if "processing" in modes:
            early = Delivery(request.webhook_url, accepted, None, modes)
            self._plan(early, accepted.purchase.accepted_at)
        for result in accepted.purchase.results[int(modes.argument("skip", 0)) :]:
            if result.index in accepted.purchase.told:
                continue
            for _ in range(int(modes.argument("dup", 1))):
                delivery = Delivery(request.webhook_url, accepted, result, modes)
                self._plan(delivery, _moment(accepted.purchase, result, modes))

    def _plan(self, delivery: Delivery, when: float) -> None:
        self._ledger.note_pending(delivery.accepted, 1)
        with self._changed:
            heapq.heappush(self._waiting, (when, next(self._numbers), delivery))
            if self._waiting[0][2] is delivery:
                self._changed.notify()

    def _keep_time(self) -> None:
        while True:
            with self._changed:
                wait = self._waiting[0][0] - time.monotonic() if self._waiting else None
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                else:
                    self._due.put(heapq.heappop(self._waiting)[2])

    def _send_due(self) -> None:
        with requests.Session() as session:
            # Neither proxies nor .netrc of this machine have a say in what the provider sends.
            session.trust_env = False
            session.headers["User-Agent"] = "runware-simulator"
            while True:
                delivery = self._due.get()
                self._deliver(session, delivery)  # which plans the next try, if there is one
                self._ledger.note_pending(delivery.accepted, -1)

    def _deliver(self, session: requests.Session, delivery: Delivery) -> None:
        if delivery.accepted.totals is not self._ledger.totals:
            return  # A reset has forgotten the task.
        delivery.tries += 1
        settings = self._board.current
        status = _post(session, delivery, settings.webhook_deadline)
        if self._ledger.note_webhook(delivery.accepted, delivery.result, status):
            self._note_told(delivery)
            self._repeat(delivery)
        elif delivery.tries < delivery.modes.argument("tries", settings.webhook_tries):
            self._plan(delivery, time.monotonic() + _backoff(delivery.tries))
        else:
            host = urlsplit(delivery.url).hostname
            _log.warning("webhook to %s given up after %d tries", host, delivery.tries)
            self._note_told(delivery)

    def _note_told(self, delivery: Delivery) -> None:
        """Have it known after a restart that a webhook was acknowledged or given up."""
        if delivery.result is not None:
            self._journal.note_told(delivery.accepted.purchase, delivery.result.index)

    def _repeat(self, delivery: Delivery) -> None:
        """Send once more what was acknowledged, as a late retry would (§17.30)."""
        if "again" in delivery.modes and not delivery.again:
            delivery.again = True
            self._plan(delivery, time.monotonic() + delivery.modes.argument("again", 0))


def _moment(purchase: Purchase, result: Result, modes: Modes) -> float:
    """Return when a result's webhook is first sent, on the monotonic clock."""
    moment = result.finish_at
    if "reverse" in modes:
        moment = purchase.finish_at + _REVERSE_SECONDS * (len(purchase.results) - result.index)
    late = modes.argument("delay", 0) + modes.argument("jitter", 0) * _jitter.random()
    return moment + late


def _backoff(tries: int) -> float:
    """Return the seconds until the next try: 250 ms, doubling to 8 s, less up to half of it."""
    longest: float = min(_FIRST_BACKOFF * 2.0 ** (tries - 1), _LONGEST_BACKOFF)
    return longest * _jitter.uniform(0.5, 1)


def _post(session: requests.Session, delivery: Delivery, deadline: float) -> int | str:
    """Send it once; return the HTTP status, or what went wrong."""
    body = items.webhook(delivery.accepted.purchase.request, delivery.result, delivery.modes)
    try:
        with session.post(
            delivery.url,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            timeout=deadline,
            allow_redirects=False,
            stream=True,
        ) as response:
            if 0 < int(response.headers.get("Content-Length", 0)) <= _READ_BYTES:
                response.content  # noqa: B018 - reading it makes the connection usable again
            return response.status_code
    except requests.Timeout:
        return "timeout"
    except (OSError, ValueError) as exc:
        return type(exc).__name__
