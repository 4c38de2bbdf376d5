"""The answer to one request, as its tasks add to it (contract §1, §6)."""

import random
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from simulator.body import Task
from simulator.errors import Item, error, for_task, http_status
from simulator.outcomes import Purchase, Result
from simulator.records import Accepted
from simulator.words import NO_MODES, Modes

_chance = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Held:
    """A sync task whose results the answer waits for.

    Attributes:
        until: When the answer gives up, on the monotonic clock; infinite: never.
        timeout: How it gives up: `html`, `error` or `close`.
        modes: How its results are written.
    """

    purchase: Purchase
    until: float
    timeout: str
    modes: Modes


@dataclass(slots=True)
class Reply:
    """The answer to one request.

    Attributes:
        data: Acknowledgments and results.
        errors: Refusals and failures, each naming its task.
        tasks: How many tasks the request held, authentication aside.
        refused: How many of them were refused.
        status: HTTP status a directive asks for.
        lost: The connection is closed without an answer.
        html: The status a proxy in front of the service answers with instead.
        hold: Seconds the answer is held back.
        dry_run: Nothing may be executed or charged (contract §10).
        singular: The refusal is written as one `error` object, as before a stream (contract §6).
        modes: How it is written.
        transfer: How its bytes travel.
        retry_after: The header of that name, when a refused task asks for one.
        bought: What the request bought, each with the bytes of its task.
        held: The sync tasks it waits for.
        answered: Results it brings of the tasks it answers.
        polled: Results it brings of the tasks it was asked about.
        events: The stream that is sent in its place.
    """

    tasks: int
    dry_run: bool = False
    modes: Modes = NO_MODES
    transfer: Modes = NO_MODES
    data: list[Item] = field(default_factory=list)
    errors: list[Item] = field(default_factory=list)
    refused: int = 0
    status: int | None = None
    lost: bool = False
    html: int | None = None
    hold: float = 0.0
    singular: bool = False
    retry_after: str | None = None
    bought: list[tuple[Accepted, bytes]] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    answered: list[Result] = field(default_factory=list)
    polled: list[Result] = field(default_factory=list)
    events: Iterator[bytes] | None = None

    def refuse(self, task: Task, errors: list[Item], status: int | None = None) -> None:
        """Refuse one task; the others are not touched."""
        self.errors += [for_task(task.fields, item) for item in errors]
        self.refused += 1
        self.status = status or self.status

    def mark_delivered(self) -> None:
        """Note which results it brings, unless it is cut before they are whole."""
        if "cut" in self.transfer:
            return
        for result in self.answered:
            result.answered = True
        for result in self.polled:
            result.polled = True

    def http_status(self, error_status: int | None) -> int:
        """Return the HTTP status: by default 200 unless every task was refused."""
        if self.status is not None:
            return self.status
        if self.data or not self.errors:
            return 200
        by_contract = http_status(self.errors) if self.refused == self.tasks else 200
        return error_status or by_contract

    def json(self) -> Item:
        """Return the body. `errors` is left out when empty: an empty list upsets the SDKs (§17)."""
        if self.singular:
            return singular(self.errors[0])
        data, errors = self._strange()
        body: Item = {} if "no_data" in self.modes and not data else {"data": data}
        return body | ({"errors": errors} if errors or "empty_errors" in self.modes else {})

    def _strange(self) -> tuple[list[Item], list[Item]]:
        """Return data and errors as the modes distort them (contract §17.14 to 17.21)."""
        data, errors = list(self.data), [_distorted(item, self.modes) for item in self.errors]
        if "foreign_data" in self.modes:
            data.append({"taskType": "textInference", "taskUUID": str(uuid.uuid4()), "text": "?"})
        if "foreign" in self.modes:
            errors.append(error("providerError", status="error", taskUUID=str(uuid.uuid4())))
        if "nameless" in self.modes:
            errors.append(error("providerError", status="error"))
        if "duplicate" in self.modes:
            data, errors = data * 2, errors * 2
        if "shuffled" in self.modes:
            _chance.shuffle(data)
            _chance.shuffle(errors)
        return data, errors


def _distorted(item: Item, modes: Modes) -> Item:
    if "parameter_list" in modes:
        item = item | {"parameter": [item.get("parameter", "model"), "messages"]}
    if "details" in modes:
        refusal = {"responseContent": "upstream said no", "responseStatusCode": 502}
        item = item | {"additionalDetails": refusal}
    return item


def singular(item: Item) -> Item:
    """Write a refusal as it is answered before a stream: one `error`, the names beside it."""
    names = {key: item[key] for key in ("taskUUID", "taskType") if key in item}
    return {"error": {k: v for k, v in item.items() if k not in names}} | names


def sleep_until(moment: float) -> None:
    """Sleep to a moment on the monotonic clock."""
    time.sleep(max(0.0, moment - time.monotonic()))
