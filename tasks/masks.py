"""Our secrets in what the provider says: it may send back a URL or a key that it refuses. Pure."""

import re
from typing import Any

LEAST_KEY = 16
"""Characters of a key that is masked: a shorter one is no real one, and may be a word of a text."""

_CALLBACK = re.compile(
    r"(\brunware(?:\?|%3F)\S{0,2000}?\bt(?:=|%3D))[\w-]{43}(?![\w-])", re.IGNORECASE
)
"""A callback URL with its whole token (tasks/token.py): a text that has one is none by chance."""

_TOKEN = re.compile(r"\bt(=|%3D)[\w-]{8,}", re.IGNORECASE)


def without_token(text: str) -> str:
    """Return a text with the token of each callback URL in it masked."""
    return _TOKEN.sub(r"t\1***", text)


def without_callback_tokens(value: Any) -> Any:  # noqa: ANN401  any JSON value
    """Return a JSON value with the token of each whole callback URL in its texts masked."""
    match value:
        case str():
            return _CALLBACK.sub(r"\1***", value)
        case dict():
            return {name: without_callback_tokens(one) for name, one in value.items()}
        case list():
            return [without_callback_tokens(one) for one in value]
    return value


def without_key(body: bytes, key: str) -> bytes:
    """Return a body with the API key masked wherever it stands."""
    return body.replace(key.encode(), b"***") if len(key) >= LEAST_KEY else body
