"""One question: checked like a row of a manifest, and its answer put together as it comes."""

import uuid
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from batches import defaults
from batches.columns import MEDIA
from batches.contents import Unusable, digest, opened
from batches.problems import BadRow, RowError
from batches.row import LocalFile, Rules, read_row
from batches.sending import Pace, Sender
from tasks.errors import Category, category
from tasks.money import usd
from tasks.provider import Provider
from tasks.wire.answer import Item
from tasks.wire.request import TextInference, dumps
from tasks.wire.result import Usage
from tasks.wire.stream import Event

SETTABLE = tuple(name for name in defaults.SETTABLE if name != "numberResults")
"""What may be set beside the system prompt: a stream has one result."""

_CUT = {
    "length": "cut by maxTokens (it counts thinking too)",
    "content_filter": "content_filter (the provider withheld text)",
}
"""Finish reasons of answers that are not all of it, as they are told."""
_PACE = Pace(tries=3)
"""A person waits, and can ask again."""

_HINTS = {
    Category.AUTH: " (is RUNWARE_API_KEY right?)",
    Category.QUOTA: " (the account needs credit)",
    Category.RATE_LIMIT: " (ask again in a moment)",
}


class BadQuestion(ValueError):
    """A question that would be refused; the text names each option and what is wrong with it."""


@dataclass(frozen=True)
class Question:
    """A checked question."""

    body: Mapping[str, Any]
    files: Mapping[str, LocalFile]  # by the placeholders that stand for them in the body
    task_uuid: str
    streamed: bool
    warnings: tuple[str, ...]

    def task(self, media: Mapping[str, str]) -> bytes:
        """Return it as it goes over the wire, given the media UUIDs of the local files."""
        inputs = self.body.get("inputs", {})
        placed = {kind: [media.get(one, one) for one in inputs[kind]] for kind in inputs}
        return _task({**self.body, "inputs": placed} if placed else self.body, self.task_uuid)


def uploaded(files: Mapping[str, LocalFile], provider: Provider) -> dict[str, str]:
    """Upload local files. Nothing is kept of it here: the next question uploads them again.

    Returns:
        Their media UUIDs, by the names of `files`.

    Raises:
        Unusable: a file cannot be uploaded; the text names it.
        Error: the provider takes no files.
    """
    sender = Sender(provider, 1, _PACE)
    return {name: _media_uuid(sender, name, file) for name, file in files.items()}


def _media_uuid(sender: Sender, name: str, file: LocalFile) -> str:
    try:
        with opened(file.path, file.size) as stream:
            sha256 = digest(stream, sender.go_on)
            return sender.send(stream, file.size, sha256, lambda _task_uuid: None)
    except Unusable as exc:
        raise Unusable(f"{name.removeprefix('file:')} {exc}") from exc


def question(
    prompt: str,
    media: Mapping[str, Sequence[str]],
    settings: Mapping[str, Any],
    system_prompt: str | None,
    *,
    streamed: bool,
) -> Question:
    """Check a question with the code that checks a manifest's rows.

    Args:
        prompt: The question.
        media: Lists of URLs, media UUIDs, base64 or paths, by kind: `video`, `image` and so on.
        settings: Of `SETTABLE`.
        system_prompt: Where there is one.
        streamed: Whether the answer is to come in pieces.

    Raises:
        BadQuestion: with everything that is wrong.
    """
    given: dict[str, Any] = {"custom_id": "ask", "prompt": prompt, **settings}
    given |= {MEDIA[kind]: list(values) for kind, values in media.items() if values}
    if system_prompt is not None:
        given["systemPrompt"] = system_prompt
    try:
        row, told = read_row(1, given, Rules(roots=(Path.cwd().resolve(), Path("/"))))
    except BadRow as exc:
        raise BadQuestion("\n".join(map(_told, exc.errors))) from None
    body = {**row.body, "deliveryMethod": "stream" if streamed else "sync"}
    return Question(body, row.files, str(uuid.uuid4()), streamed, tuple(told))


def _task(body: Mapping[str, Any], task_uuid: str) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it was checked before, and they were told
        task = TextInference(**body, taskUUID=task_uuid, includeCost=True, includeUsage=True)
    return dumps(task.model_dump(exclude_none=True))


def _told(error: RowError) -> str:
    value = f" ({error.value})" if error.value else ""
    option = _option(error.column)
    problem = error.problem
    if option.removeprefix("--") in MEDIA:  # of a file; what follows is for a manifest
        problem = problem.partition("; ")[0]
    return f"{option}{value}: {problem}"


def _option(column: str) -> str:
    """Return the option by which the user gave a column's value."""
    kinds = {many: one for one, many in MEDIA.items()}
    name = column.partition(".")[0]
    if name in kinds:
        return f"--{kinds[name]}"
    return {"prompt": "QUESTION", "systemPrompt": "--system-prompt"}.get(name, f"--set {column}")


@dataclass
class Reply:
    """An answer, as far as it has come."""

    asked: Question
    simulated: bool
    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    finish_reason: str | None = None
    cost: int | None = None  # nano-dollars; None where not reported
    usage: Usage = field(default_factory=Usage)
    damaged: int = 0  # lines that could not be read
    is_whole: bool = False
    error: Item | None = None
    trouble: str = ""
    """Why it is no whole answer, in a sentence."""

    def add(self, event: Event) -> None:
        """Add what came."""
        self.texts.append(event.text)
        self.thoughts.append(event.reasoning)
        self.finish_reason = event.finish_reason or self.finish_reason
        self.cost = self.cost if event.cost is None else event.cost
        self.usage = event.usage or self.usage
        self.damaged += event.is_damaged
        self.is_whole = self.is_whole or event.is_last
        if event.error:
            self.error = event.error
            said = f"{event.error.code}: {event.error.message}".removesuffix(": ")
            hint = _HINTS.get(category(event.error.code), "")
            self.trouble = f"the provider answers {said}{hint}"

    def fail(self, reason: str, *, sent: bool) -> None:
        """Say that no more will come.

        Args:
            reason: Why.
            sent: Whether the question may have reached the provider.
        """
        self.trouble = f"{reason}. {self._bill() if sent else 'Nothing was sent.'}"

    def end(self) -> None:
        """Say what is wrong with an answer that ended without an error; nothing where it is whole.

        A stream without `[DONE]` was cut, however finished it looks (contract §17.32).
        """
        if self.trouble:
            return
        if not self.is_whole:
            reason = "CUT: the stream ended without [DONE], so text may be missing"
            self.fail(reason, sent=True)
        elif self.damaged:
            self.trouble = f"DAMAGED: text may be missing; lines not read: {self.damaged}"
        elif not any(self.texts) and self.finish_reason not in _CUT:
            self.trouble = "EMPTY: no text came"

    @property
    def is_all(self) -> bool:
        """Whether it is the answer: not refused, damaged or empty, nor cut by limit or filter."""
        return not self.trouble and self.finish_reason not in _CUT

    def _bill(self) -> str:
        if self.simulated:
            return "It was simulated: nothing is billed."
        return f"The provider may go on and bill it (taskUUID {self.asked.task_uuid})."

    @property
    def has_ended(self) -> bool:
        """Whether the provider said how it ended, or what it costs."""
        return self.finish_reason is not None or self.cost is not None

    def sentence(self) -> str:
        """Return one line: finish reason, tokens and cost."""
        reason = self.finish_reason or "no finish reason"
        cost = "cost not told" if self.cost is None else f"{usd(self.cost)} USD"
        return f"{_CUT.get(reason, reason)}; {self._tokens()}; {cost}"

    def _tokens(self) -> str:
        if self.usage.promptTokens is None and self.usage.completionTokens is None:
            return "tokens not told"
        told = (self.usage.promptTokens, self.usage.completionTokens)
        into, out = ("?" if count is None else count for count in told)
        thinking = self.usage.thinkingTokens
        return f"tokens {into} in, {out} out" + (f" ({thinking} thinking)" if thinking else "")

    def row(self) -> dict[str, Any]:
        """Return it under the names that the table of a batch has; money is Decimal USD."""
        return {
            "task_uuid": self.asked.task_uuid,
            "complete": self.is_all,
            "text": "".join(self.texts),
            "finish_reason": self.finish_reason,
            "reasoning": "".join(self.thoughts) or None,
            "cost": None if self.cost is None else Decimal(usd(self.cost)),
            "prompt_tokens": self.usage.promptTokens,
            "completion_tokens": self.usage.completionTokens,
            "thinking_tokens": self.usage.thinkingTokens,
            "error_code": self.error.code if self.error else None,
            "error_message": (self.error.message if self.error else self.trouble) or None,
            "simulated": self.simulated,
        }
