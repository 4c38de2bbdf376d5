"""Our secrets in what the provider says: it may send back a URL or a key that it refuses. Pure."""

import re
from typing import Any

LEAST_KEY = 16
"""Characters of a key that is masked: a shorter one is no real one, and may be a word of a text."""

_NAME = r"(?:\b|(?<=26))t(=|%(?:25)*3D|\\+u003d)"
"""The token's name in a query, also of a URL that is quoted in others, or in JSON that is (`%2526`,
`\\u0026`)."""

_WHOLE = re.compile(rf"{_NAME}[\w-]{{43}}(?![\w-])", re.IGNORECASE)
"""A whole token (tasks/token.py), as it stands at the end of a callback URL."""

_PATH = re.compile(r"webhooks(?:\\*/|%(?:25)*2f|\\+u002f)runware(?:\?|%(?:25)*3f|\\+u003f)")
"""Where the door is, in small letters."""

_URL = 1_000
"""Characters before a token in which its callback URL has its path: it has some two hundred."""

_TOKEN = re.compile(rf"{_NAME}[\w-]{{8,}}", re.IGNORECASE)


def without_token(text: str) -> str:
    """Return a text with the token of each callback URL in it masked."""
    return _TOKEN.sub(r"t\1***", text)


def without_callback_tokens(value: Any) -> Any:  # noqa: ANN401  any JSON value
    """Return a JSON value with the token of each whole callback URL in its texts masked."""
    match value:
        case str():
            return _WHOLE.sub(_masked, value)
        case dict():
            return {name: without_callback_tokens(one) for name, one in value.items()}
        case list():
            return [without_callback_tokens(one) for one in value]
    return value


def _masked(found: re.Match[str]) -> str:
    before = found.string[max(0, found.start() - _URL) : found.start()].lower()
    is_ours = "webhooks" in before and _PATH.search(before)
    return f"t{found[1]}***" if is_ours else found[0]


def without_key(body: bytes, key: str) -> bytes:
    """Return a body with the API key masked wherever it stands."""
    return body.replace(key.encode(), b"***") if len(key) >= LEAST_KEY else body
