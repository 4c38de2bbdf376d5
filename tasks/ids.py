"""Identifiers, derived so that lost history meets the same work again, not another.

A batch id is drawn once and kept outside the store; everything below it is a keyed hash, so a store
that lost its last second gives a row the very taskUUID it was bought under.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from functools import lru_cache
from json.encoder import encode_basestring_ascii

TASK_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
"""A taskUUID as the model page asks for it: UUID v4, and in the one spelling we ever write.

`uuid.UUID` accepts braces, `urn:` and full-width digits, so it decides nothing here.
"""
ANY_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""A UUID of others, such as a medium's, in whatever letters."""

_SORTED = json.JSONEncoder(sort_keys=True, default=str)


def is_task_uuid(text: str) -> bool:
    """Whether `text` is a UUID v4 in its canonical, lower-case spelling."""
    return TASK_UUID.fullmatch(text) is not None


def new_batch_id() -> str:
    """Draw a batch id; 80 random bits."""
    return f"batch_{secrets.token_hex(10)}"


def job_id(secret: bytes, batch_id: str, custom_id: str) -> str:
    """Return the id of the job of one row: also the taskUUID of its first attempt."""
    return _derived(secret, "job", batch_id, custom_id)


def attempt_uuid(secret: bytes, job: str, attempt: int) -> str:
    """Return the taskUUID of attempt `attempt` (1, 2, ...) of `job`."""
    return job if attempt == 1 else _derived(secret, "attempt", job, str(attempt))


def _derived(secret: bytes, *parts: str) -> str:
    listed = ", ".join(map(encode_basestring_ascii, parts))
    message = f"[{listed}]".encode()  # as JSON, so that it is unambiguous where one part ends
    keyed = _keyed(secret).copy()
    keyed.update(message)
    mac = keyed.digest()
    digits = mac.hex()
    variant = "89ab"[mac[8] >> 4 & 3]
    head, tail = f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}", f"{variant}{digits[17:20]}"
    return f"{head}-{tail}-{digits[20:32]}"  # as uuid.UUID spells it, in half of its time


@lru_cache(8)
def _keyed(secret: bytes) -> hmac.HMAC:
    return hmac.new(secret, digestmod=hashlib.sha256)


def result_digest(text: object) -> str:
    """Return the membership key of one result: its text, without white space around it.

    A text that was filtered may be told as empty or as null (contract §8): that is the same.

    Nothing goes in that may differ between the roads a result comes by: status, cost and usage
    do, and whether a callback repeats seed and finishReason is not documented (contract §5, §8).
    Results that are alike in text are told apart by the multiplicity of a getResponse answer.
    """
    value = "" if text is None else text.strip() if isinstance(text, str) else text
    return short_digest(_SORTED.encode(value).encode())


def content_digest(*parts: Sequence[object] | object) -> str:
    """Return a digest that is equal exactly when the JSON of `parts` is."""
    return short_digest(_SORTED.encode(parts).encode())


def short_digest(data: bytes) -> str:
    """Return 128 bits of SHA-256 in 22 characters of base64url."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()[:16]).rstrip(b"=").decode()
