"""A `textInference` task that passed the checks, as the rest of the simulator reads it."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from simulator import directives
from simulator.body import Task
from simulator.directives import Directives


@dataclass(frozen=True, slots=True)
class Request:
    """One valid submission; the fields are the contract's (§2), with its defaults filled in.

    Attributes:
        fingerprint: Hash of messages and inputs: the same for all attempts at the same work.
        digest: Hash of all that shapes the answer; the simulated text is drawn from it.
        directives: What the task asks of the simulator.
    """

    task_uuid: str
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
    fingerprint: str
    digest: bytes
    directives: Directives


def read(task: Task, default_directives: str) -> Request:
    """Read a task that `validation.errors_of` found nothing wrong with.

    Args:
        task: The task.
        default_directives: Directives for tasks that do not say otherwise themselves.
    """
    fields: dict[str, Any] = task.fields
    settings = fields.get("settings", {})
    inputs = fields.get("inputs", {})
    mark = fingerprint(fields["messages"], inputs)
    words = default_directives + " " + directives.find(fields["messages"])
    return Request(
        task_uuid=fields["taskUUID"],
        webhook_url=fields.get("webhookURL"),
        include_cost=fields.get("includeCost", False),
        include_usage=fields.get("includeUsage", False),
        number_results=fields.get("numberResults", 1),
        seed=fields.get("seed"),
        max_tokens=settings.get("maxTokens", 4096),
        thinking_level=settings.get("thinkingLevel", "high"),
        system_prompt=settings.get("systemPrompt", ""),
        messages=fields["messages"],
        inputs=inputs,
        fingerprint=mark,
        digest=_hash([mark, settings, fields.get("seed")]).digest(),
        directives=directives.parse(words.strip()),
    )


def fingerprint(messages: object, inputs: object) -> str:
    """Return the hash by which tasks with the same messages and inputs are known."""
    return _hash([messages, inputs]).hexdigest()


def _hash(value: object) -> "hashlib._Hash":
    # ASCII escapes, so that a lone surrogate of a strange prompt has bytes too.
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode())
