"""A `textInference` task that passed the checks, as the rest of the simulator reads it."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from simulator import directives
from simulator.body import Task
from simulator.directives import Directives
from simulator.settings import Settings


@dataclass(frozen=True, slots=True)
class Request:
    """One valid submission; the fields are the contract's (§2), with its defaults filled in.

    Attributes:
        fingerprint: Hash of messages and inputs: the same for all attempts at the same work.
        delivery: `async`, `sync` or `stream`, as it is carried out (contract §3, §9).
        index: Its items carry `resultIndex`.
        kept: Polls can find it.
        digest: Hash of all that shapes the answer; the simulated text is drawn from it.
        directives: What the task asks of the simulator.
    """

    task_uuid: str
    delivery: str
    webhook_url: str | None
    include_cost: bool
    include_usage: bool
    number_results: int
    seed: int | None
    max_tokens: int
    thinking_level: str
    system_prompt: str
    messages: list[dict[str, Any]]
    inputs: dict[str, list[str]]
    index: bool
    kept: bool
    fingerprint: str
    digest: bytes
    directives: Directives


def read(task: Task, settings: Settings) -> Request:
    """Read a task that `validation.errors_of` found nothing wrong with.

    Args:
        task: The task.
        settings: The switches, for what the task does not say itself.
    """
    fields: dict[str, Any] = task.fields
    model = fields.get("settings", {})
    inputs = fields.get("inputs", {})
    mark = fingerprint(fields["messages"], inputs)
    words = settings.directives + " " + directives.find(fields["messages"])
    wanted = directives.parse(words.strip())
    streamed = settings.stream if wanted.stream is None else wanted.stream
    return Request(
        task_uuid=fields["taskUUID"],
        delivery=_delivery(fields, wanted, settings),
        webhook_url=fields.get("webhookURL"),
        include_cost=fields.get("includeCost", False),
        include_usage=fields.get("includeUsage", False),
        number_results=fields.get("numberResults", 1),
        seed=fields.get("seed"),
        max_tokens=model.get("maxTokens", 4096),
        thinking_level=model.get("thinkingLevel", "high"),
        system_prompt=model.get("systemPrompt", ""),
        messages=fields["messages"],
        inputs=inputs,
        index=_indexed(fields, wanted, settings),
        kept=fields.get("deliveryMethod") != "stream" or "unkept" not in streamed,
        fingerprint=mark,
        digest=_hash([mark, model, fields.get("seed")]).digest(),
        directives=wanted,
    )


def _delivery(fields: dict[str, Any], wanted: Directives, settings: Settings) -> str:
    """Return how the task is delivered. What `sync` with a webhookURL gives is open (§3)."""
    method: str = fields.get("deliveryMethod", "sync")
    only_hook = (wanted.sync_webhook or settings.sync_webhook) == "ack"
    return "async" if method == "sync" and "webhookURL" in fields and only_hook else method


def _indexed(fields: dict[str, Any], wanted: Directives, settings: Settings) -> bool:
    """Say whether the items carry `resultIndex`: by default those of several results (§8)."""
    chosen = wanted.index or ("never" if wanted.identical else settings.index)
    return chosen == "always" or (chosen == "many" and fields.get("numberResults", 1) > 1)


def fingerprint(messages: object, inputs: object) -> str:
    """Return the hash by which tasks with the same messages and inputs are known."""
    return _hash([messages, inputs]).hexdigest()


def _hash(value: object) -> "hashlib._Hash":
    # ASCII escapes, so that a lone surrogate of a strange prompt has bytes too.
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode())
