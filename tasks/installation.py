"""Whose ids a store holds: those of one installation secret, for under another all is bought again.

The store keeps a digest of the secret, from the first process that knows it on.
"""

import hmac

from tasks.environment import secret_file
from tasks.errors import StoreRefused
from tasks.ids import short_digest
from tasks.settings import Settings
from tasks.store import Store

NAME = "REELQUEUE_INSTALLATION_SECRET"
_SIGNED = b"the ids in this store are derived from this secret"
_OF_IDS = "the installation secret of its taskUUIDs"
_FIX = (
    "what was bought would be bought again. Put the former secret back, there or in its file, or "
    "begin anew in another REELQUEUE_NAMESPACE or REELQUEUE_DATA_DIR"
)


def digest(secret: bytes) -> str:
    """Return what a store keeps of a secret: 128 bits that do not tell it."""
    return short_digest(hmac.digest(secret, _SIGNED, "sha256"))


def objection(store: Store, settings: Settings) -> str:
    """Return why ids for this store may not be derived with these settings; writes nothing.

    Empty where they may, or where nobody knows yet: the store is new, or not marked by a version
    that did not do so.

    Raises:
        ConfigurationError: the secret is too short.
        StoreAway: it does not answer.
    """
    if settings.installation_secret is None:
        if not store.marks.has_ids():
            return ""
        file = secret_file(settings.data_dir.absolute(), NAME)
        return (
            f"{_OF_IDS} is missing: {NAME} is not set and there is no {file}. With a new one {_FIX}"
        )
    return mismatch(store.marks.installation(), settings)


def mismatch(kept: str, settings: Settings) -> str:
    """Return why ids may not be derived with the secret of these settings; empty where they may.

    Args:
        kept: The digest that the store keeps; empty where it has none.
        settings: With an installation secret.

    Raises:
        ConfigurationError: the secret is too short.
    """
    if kept and not hmac.compare_digest(kept, digest(settings.id_secret())):
        return f"{_OF_IDS} is another than {NAME} gives now. With this one {_FIX}"
    return ""


def id_secret(store: Store, settings: Settings) -> bytes:
    """Return the secret that ids in this store are derived from; the first to ask marks the store.

    Raises:
        ConfigurationError: there is none, or it is too short.
        StoreRefused: the store holds ids of another.
        StoreAway: it does not answer.
    """
    if settings.installation_secret is not None and not store.marks.installation():
        store.marks.install(digest(settings.id_secret()))
    if found := objection(store, settings):
        raise StoreRefused(f"the store is refused: {found}")
    return settings.id_secret()
