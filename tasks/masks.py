"""Our secrets in what the provider says: it may send back a URL or a key that it refuses. Pure."""

import re

LEAST_KEY = 16
"""Characters of a key that is masked: a shorter one is no real one, and may be a word of a text."""

_TOKEN = re.compile(r"\bt(=|%3D)[\w-]{8,}", re.IGNORECASE)


def without_token(text: str) -> str:
    """Return a text with the token of each callback URL in it masked."""
    return _TOKEN.sub(r"t\1***", text)


def without_key(body: bytes, key: str) -> bytes:
    """Return a body with the API key masked wherever it stands."""
    return body.replace(key.encode(), b"***") if len(key) >= LEAST_KEY else body
