"""What the simulated model says: four real answers by their request, and labelled invention."""

import base64
import json
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from simulator import tokens
from simulator.checks import UUID, is_url
from simulator.request import Request, fingerprint
from simulator.tokens import Usage

LABEL = "[simulated]"
# Below so many maxTokens nearly all goes into thinking, as with the real model.
_SMALL_MAX_TOKENS = 64
_THINKING_TOKENS = {"low": (60, 240), "medium": (200, 700), "high": (400, 1_600)}

_OPENINGS = (
    "A steady wide shot opens on an empty room before anyone enters",
    "The scene begins outdoors in flat daylight with little movement",
    "A handheld view follows two people along a corridor",
    "The first moments show a close view of hands at work",
    "A fixed camera looks down on a busy counter",
    "The material opens at dusk, with lamps already lit",
    "A slow pan crosses a yard with parked vehicles",
    "A person faces the camera and begins to explain something",
)
_EVENTS = (
    "About halfway through, someone sets an object down and steps back.",
    "A door opens on the left, and the attention of everyone shifts to it.",
    "Nothing abrupt happens; the same action is repeated several times.",
    "A short interruption follows, after which the work goes on as before.",
    "Two people exchange a few words and point to something out of view.",
    "The light changes noticeably, and the view moves closer.",
    "A label becomes readable for a moment, too short to transcribe with certainty.",
)
_CLOSINGS = (
    "No hazard is directly visible.",
    "It ends without showing the outcome.",
    "Whether this was planned cannot be told from what is shown.",
    "The last seconds repeat the opening view.",
    "A second look at the background would be worthwhile.",
)
_HOSTILE = (
    '=HYPERLINK("http://127.0.0.1/","open")\r\n\x1b[31mred\x1b[0m\x1b]0;title\x07 '
    "<script>alert(1)</script> \"quoted\", 'and' more\r\n@SUM(1+1)\t\ud800 end"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one successful result says and what it took.

    Attributes:
        text: None where the model was stopped by a filter.
        finish_reason: `stop`, `length`, `content_filter` or `unknown`.
    """

    text: str | None
    finish_reason: str
    reasoning: list[str]
    thought_signature: str
    usage: Usage


def answer(request: Request, index: int) -> Answer:
    """Return the answer that result `index` of a request always gets."""
    varied = 0 if request.directives.identical else index
    real = _real_answers().get(request.fingerprint) if varied == 0 else None
    said = _replay(real, request) if real else _invent(request, varied)
    return _bend(said, request)


@lru_cache(maxsize=1)
def _real_answers() -> dict[str, dict[str, Any]]:
    """Return the recorded answers by the fingerprint of their request."""
    files = resources.files("simulator").joinpath("answers").iterdir()
    recorded = [json.loads(f.read_text("utf-8")) for f in files if f.name.endswith(".json")]
    return {fingerprint(r["match"]["messages"], r["match"]["inputs"]): r for r in recorded}


def _replay(recorded: dict[str, Any], request: Request) -> Answer:
    """Give a real answer again. All four spent every token they were allowed."""
    said = recorded["answer"]
    thinking = max(0, request.max_tokens - tokens.of_text(said["text"]))
    return Answer(
        text=said["text"],
        finish_reason=said["finishReason"],
        reasoning=said["reasoningContent"],
        thought_signature=said["thoughtSignature"],
        usage=Usage(recorded["promptTokens"], request.max_tokens, thinking),
    )


def _invent(request: Request, index: int) -> Answer:
    text = _text(request, index)
    visible = tokens.of_text(text)
    thinking = _thinking(request, visible)
    room = request.max_tokens - thinking
    return Answer(
        text=text if visible <= room else tokens.cut(text, room),
        finish_reason="stop" if visible <= room else "length",
        reasoning=["**Simulated reasoning**\n\nI look at what is shown and keep it short.\n\n\n"],
        thought_signature=base64.b64encode(b"simulated" + request.digest[:15]).decode(),
        usage=Usage(tokens.of_prompt(request), thinking + min(visible, room), thinking),
    )


def _thinking(request: Request, visible: int) -> int:
    if request.max_tokens < _SMALL_MAX_TOKENS:
        return request.max_tokens - request.max_tokens // 8
    low, high = _THINKING_TOKENS[request.thinking_level]
    drawn = low + int.from_bytes(request.digest[8:12]) % (high - low)
    return min(drawn, max(0, request.max_tokens - visible))


def _text(request: Request, index: int) -> str:
    """Draw a few sentences; there are more openings than results, so no two results agree."""
    opening, event, closing = request.digest[0] + index, request.digest[1], request.digest[2]
    return (
        f"{LABEL} {_subject(request)}: {_OPENINGS[opening % len(_OPENINGS)]}. "
        f"{_EVENTS[(event + index) % len(_EVENTS)]} {_CLOSINGS[closing % len(_CLOSINGS)]}"
    )


def _subject(request: Request) -> str:
    """Name the first medium, without the query of its URL, which may hold a secret."""
    names = [name for kind in sorted(request.inputs, reverse=True) for name in request.inputs[kind]]
    if not names:
        return "the prompt"
    if is_url(names[0]):
        return PurePosixPath(urlsplit(names[0]).path).name[:80] or "linked media"
    return names[0] if UUID.fullmatch(names[0]) else "inline media"


def _bend(said: Answer, request: Request) -> Answer:
    """Apply the directives that change what is said."""
    wanted = request.directives
    if wanted.text == "hostile":
        said = replace(said, text=_HOSTILE)
    if wanted.text == "empty":
        said = replace(said, text="")
    if wanted.huge is not None:
        said = replace(said, text=(said.text or "").ljust(wanted.huge, ".")[: wanted.huge])
    if wanted.finish is not None:
        silent = wanted.finish in {"content_filter", "unknown"}
        said = replace(said, finish_reason=wanted.finish, text=None if silent else said.text)
    return said
