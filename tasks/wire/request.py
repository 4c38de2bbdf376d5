"""The request: `textInference` for google:gemini@3.1-pro, every field and limit of the model page.

Source: contract §2. What Runware does not document is not limited here.
"""

import base64
import binascii
import json
import re
import warnings
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    StringConstraints,
    model_validator,
)

from tasks.ids import ANY_UUID, is_task_uuid

MODEL: Final = "google:gemini@3.1-pro"
DEFAULT_MAX_TOKENS = 4096  # contract §2
KNOWN_THINKING_LEVELS = frozenset({"low", "medium", "high"})  # inferred: contract §2

_URL = re.compile(r"https?://([^\s/?#]+)[^\s]*", re.IGNORECASE)
_DATA_URI = re.compile(r"data:[\w.+-]+/[\w.+-]+;base64,", re.IGNORECASE)


class UnknownThinkingLevel(UserWarning):
    """A thinkingLevel outside low, medium, high; it is sent as it is."""


def _decimal(value: object) -> object:
    """Take JSON numbers only; a float becomes the decimal it prints as (0.29, not 0.28999…)."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, Decimal):
        return value
    raise ValueError("must be a number")


def _in_hundredths(value: Decimal) -> Decimal:
    if value % Decimal("0.01"):
        raise ValueError("must be a multiple of 0.01")
    return value


def _media(value: str) -> str:
    if _is_url(value) or ANY_UUID.fullmatch(value) or _is_base64(value):
        return value
    if value[:5].lower() == "data:":
        raise ValueError("a data URI is taken for images only; send the bare base64 or a URL")
    if _host(value):
        raise ValueError(
            "is no URL that can be read: take stray brackets and symbols out of its host"
        )
    raise ValueError("must be an http(s) URL, a media UUID or base64")


def _image(value: str) -> str:
    prefix = _DATA_URI.match(value)
    if prefix is None:
        return _media(value)
    if not _is_base64(value[prefix.end() :]):
        raise ValueError("must hold base64 of an image after the comma, at least 64 characters")
    return value


def _is_url(value: str) -> bool:
    host = _host(value)
    return bool(host) and _is_readable(host)


def _host(value: str) -> str:
    """Return what stands where a URL has its host; empty where a value is not spelled as one."""
    url = _URL.fullmatch(value)
    # No control characters, no lone surrogates: no URL has them, and logs would.
    return url[1] if url and value.isprintable() else ""


@lru_cache(8)  # ten thousand videos lie on a few hosts; no more, for a hostile one has megabytes
def _is_readable(host: str) -> bool:
    try:
        urlsplit(f"//{host}")
    except ValueError:  # brackets around no IPv6 address, a sign that stands for `/`, `?`, `#`, `@`
        return False
    return True


def _is_base64(value: str) -> bool:
    # A short word is more likely a mistyped file name than a medium of a few bytes.
    if len(value) < 64:  # noqa: PLR2004  shorter than any container's header
        return False
    try:
        return bool(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError):
        return False


def _task_uuid(value: str) -> str:
    if not is_task_uuid(value):
        raise ValueError("must be a lower-case UUID v4")
    return value


def _webhook_url(value: str) -> str:
    if not _is_url(value):
        raise ValueError("must be an http(s) URL")
    return value


def _thinking_level(value: str) -> str:
    if value not in KNOWN_THINKING_LEVELS:
        warnings.warn(
            f"thinkingLevel {value!r} is none of low, medium, high; it is sent as it is",
            UnknownThinkingLevel,
            stacklevel=2,
        )
    return value


# The bounds stand before the step: the remainder of 1e30 needs more digits than Decimal keeps.
Temperature = Annotated[
    Decimal, BeforeValidator(_decimal), Field(ge=0, le=2), AfterValidator(_in_hundredths)
]
TopP = Annotated[
    Decimal, BeforeValidator(_decimal), Field(ge=0, le=1), AfterValidator(_in_hundredths)
]
Media = Annotated[StrictStr, AfterValidator(_media)]
Image = Annotated[StrictStr, AfterValidator(_image)]
StopSequence = Annotated[StrictStr, StringConstraints(min_length=1, max_length=50)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Message(_Part):
    """One turn of the conversation."""

    role: Literal["user", "assistant"]
    content: Annotated[StrictStr, StringConstraints(pattern=r"\S")]  # a blank one is paid for, too


class Inputs(_Part):
    """The media; they never stand in the messages."""

    audios: Annotated[list[Media], Field(min_length=1)] | None = None
    documents: Annotated[list[Media], Field(min_length=1)] | None = None
    images: Annotated[list[Image], Field(min_length=1)] | None = None
    videos: Annotated[list[Media], Field(min_length=1)] | None = None


class Settings(_Part):
    """How to answer. `maxTokens` counts thinking too (contract §17, trap 22)."""

    systemPrompt: (
        Annotated[StrictStr, StringConstraints(min_length=1, max_length=200_000)] | None
    ) = None
    temperature: Temperature | None = None
    topP: TopP | None = None
    maxTokens: Annotated[StrictInt, Field(ge=1, le=128_000)] | None = None
    stopSequences: Annotated[list[StopSequence], Field(max_length=5)] | None = None
    thinkingLevel: Annotated[StrictStr, AfterValidator(_thinking_level)] | None = None


class TextInference(_Part):
    """One task as it goes over the wire."""

    taskType: Literal["textInference"] = "textInference"
    taskUUID: Annotated[StrictStr, AfterValidator(_task_uuid)]
    webhookURL: Annotated[StrictStr, AfterValidator(_webhook_url)] | None = None
    deliveryMethod: Literal["sync", "async", "stream"] = "sync"
    includeCost: StrictBool = False
    includeUsage: StrictBool = False
    numberResults: Annotated[StrictInt, Field(ge=1, le=4)] = 1
    model: Literal["google:gemini@3.1-pro"] = MODEL
    inputs: Inputs | None = None
    seed: Annotated[StrictInt, Field(ge=0, le=4_294_967_295)] | None = None
    messages: Annotated[list[Message], Field(min_length=1)]
    settings: Settings | None = None

    @model_validator(mode="after")
    def _ends_with_the_user(self) -> "TextInference":
        if self.messages[-1].role != "user":
            raise ValueError("the last message must be the user's")
        return self


def dumps(value: Any) -> bytes:  # noqa: ANN401  any JSON value
    """Return compact JSON, the same bytes for equal values; decimals stay numbers."""
    return _COMPACT.encode(value).encode()


def _number(value: object) -> float:
    # repr of the nearest double gives the decimal back for the 15 digits that settings have.
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"not a JSON value: {type(value).__name__}")


_COMPACT = json.JSONEncoder(separators=(",", ":"), default=_number, allow_nan=False)
