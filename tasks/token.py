"""The token in a callback URL: proof that we asked for this job's callback.

The provider signs nothing (contract §5), so the URL carries an HMAC over namespace, job and expiry.
It binds the job, not the body; it needs no store to check, so a flood of forgeries costs CPU only.
"""

import base64
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from tasks.errors import ConfigurationError
from tasks.ids import TASK_UUID, is_task_uuid

LEAST_KEY_BYTES = 24
"""Standard Webhooks asks for 24 to 64 bytes."""

LIFETIME = 7 * 86_400
"""Seconds a token is good for: a job's deadlines over all attempts, and a day's margin."""

_KID = re.compile(r"[A-Za-z0-9_-]{1,16}", re.ASCII)
_MAC = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_EXPIRY = re.compile(r"[0-9]{10}", re.ASCII)
_QUERY = re.compile(
    rf"k=({_KID.pattern})&j=({TASK_UUID.pattern})&e=({_EXPIRY.pattern})&t=({_MAC.pattern})",
    re.ASCII,
)


class Token(NamedTuple):
    """What a callback's URL carries."""

    kid: str
    job: str
    expiry: str
    mac: str


@dataclass(frozen=True)
class Keyring:
    """Keys by id; the first signs, all verify, so that a new key can overlap an old one."""

    namespace: str
    keys: Mapping[str, bytes]

    @property
    def signing(self) -> str:
        """Id of the key that signs new tokens."""
        return next(iter(self.keys))

    def query(self, kid: str, job: str, expiry: int) -> str:
        """Return the URL query of a job's callback; an unknown (dropped) kid falls back."""
        kid = kid if kid in self.keys else self.signing
        return f"k={kid}&j={job}&e={expiry}&t={self._mac(kid, job, str(expiry))}"

    @staticmethod
    def read(query: str) -> Token | None:
        """Return the token of a query as `query` writes it; None where it is written otherwise."""
        ours = _QUERY.fullmatch(query)
        return Token(*ours.groups()) if ours else None

    def verify(self, kid: str, job: str, expiry: str, mac: str, *, now: float) -> bool:
        """Whether the token is ours, whole and in time. Constant time in the MAC."""
        shaped = (
            _KID.fullmatch(kid)
            and is_task_uuid(job)
            and _EXPIRY.fullmatch(expiry)
            and _MAC.fullmatch(mac)
        )
        if not shaped:
            return False
        known = kid in self.keys
        expected = self._mac(kid if known else self.signing, job, expiry)
        return hmac.compare_digest(expected.encode(), mac.encode()) and known and int(expiry) > now

    def _mac(self, kid: str, job: str, expiry: str) -> str:
        # The prefix keeps any other HMAC made with these keys from being replayed here.
        keyed = _keyed(self.keys[kid]).copy()
        keyed.update(f"reelqueue-callback|v1|{self.namespace}|{kid}|{job}|{expiry}".encode())
        return base64.urlsafe_b64encode(keyed.digest())[:43].decode()


@lru_cache(16)
def _keyed(key: bytes) -> hmac.HMAC:
    return hmac.new(key, digestmod=sha256)


def parse_keys(text: str) -> dict[str, bytes]:
    """Read `kid:base64,kid2:base64`, the signing key first.

    Raises:
        ConfigurationError: naming what is wrong, never the key.
    """
    keys: dict[str, bytes] = {}
    for n, entry in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
        kid, colon, encoded = entry.partition(":")
        if not colon or not _KID.fullmatch(kid):
            raise ConfigurationError(
                f"REELQUEUE_SECRETS: entry {n} is not kid:base64 with a kid of 1-16 A-Z a-z 0-9 _ -"
            )
        if kid in keys:
            raise ConfigurationError(f"REELQUEUE_SECRETS: entry {n} has the kid of an earlier one")
        keys[kid] = _key(n, encoded)
    if not keys:
        raise ConfigurationError("REELQUEUE_SECRETS holds no key; write kid:base64")
    return keys


def _key(n: int, encoded: str) -> bytes:
    # Told by its place: what stands before the colon may be a key written in the wrong order.
    try:
        key = base64.b64decode(encoded, validate=True)
    except ValueError as exc:
        raise ConfigurationError(f"REELQUEUE_SECRETS: the key of entry {n} is not base64") from exc
    if len(key) < LEAST_KEY_BYTES:
        raise ConfigurationError(
            f"REELQUEUE_SECRETS: the key of entry {n} has {len(key)} bytes; "
            f"{LEAST_KEY_BYTES} are the least"
        )
    return key


def new_keys() -> str:
    """Return a fresh keyring of one key, in the form `parse_keys` reads."""
    return f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}"
