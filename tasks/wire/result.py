"""One stored result as a user reads it; what we do not know of it stays in the raw answer."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler
from pydantic.functional_validators import WrapValidator


def _or_none(value: object, read: ValidatorFunctionWrapHandler) -> object:
    try:
        return read(value)
    except ValidationError:
        return None


Lenient = WrapValidator(_or_none)
"""A field of another type is left empty: it must not cost the answer beside it."""

Tokens = Annotated[int | None, Lenient]


class Usage(BaseModel):
    """Token counts, where the provider reported them."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    promptTokens: Tokens = None
    completionTokens: Tokens = None
    totalTokens: Tokens = None
    thinkingTokens: Tokens = None


class Result(BaseModel):
    """One of the `numberResults` answers (contract §8), read leniently: it is paid for.

    Its cost is read by `Item`, in nano-dollars.
    """

    # What stands beside these is in the raw answer; its names may be such as have no UTF-8.
    model_config = ConfigDict(extra="ignore", frozen=True)

    text: Any = None  # a string; null or "" where filtered or all tokens were spent thinking
    seed: Any = None  # echoed only where the request had one
    finishReason: Any = None
    reasoningContent: Any = None
    thoughtSignature: Any = None
    usage: Annotated[Usage | None, Lenient] = None
