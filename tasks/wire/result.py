"""One stored result as a user reads it; fields that we do not know are kept."""

from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict


class Usage(BaseModel):
    """Token counts, where the provider reported them."""

    model_config = ConfigDict(extra="allow", frozen=True)

    promptTokens: int | None = None
    completionTokens: int | None = None
    totalTokens: int | None = None
    thinkingTokens: int | None = None


class Result(BaseModel):
    """One of the `numberResults` answers (contract §8), read leniently: it is paid for."""

    model_config = ConfigDict(extra="allow", frozen=True)

    taskUUID: str | None = None
    text: Any = None  # a string; null or "" where filtered or all tokens were spent thinking
    seed: Any = None  # echoed only where the request had one
    cost: Decimal | None = None
    finishReason: str | None = None
    reasoningContent: Any = None
    thoughtSignature: Any = None
    usage: Usage | None = None
