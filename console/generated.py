"""Secrets that `up` generates below the data folder, where the user gave none."""

import os
import secrets
from pathlib import Path

from pydantic import SecretStr

from tasks.environment import secret_file
from tasks.installation import NAME
from tasks.settings import Settings
from tasks.store import Store


def write_secret(path: Path, text: str) -> None:
    """Write a secret for the owner alone, whole or not at all."""
    aside = path.with_suffix(".part")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def with_installation(store: Store, settings: Settings) -> Settings:
    """Return the settings with an installation secret; none is generated where the store had one.

    Raises:
        StoreAway: the store does not answer.
        OSError: the data folder cannot be written.
    """
    if settings.installation_secret is not None:
        return settings
    path = secret_file(settings.data_dir, NAME)
    if not path.exists():  # else an earlier start of the store has made it
        if store.marks.has_ids():
            return settings
        write_secret(path, secrets.token_hex(32))
    secret = SecretStr(path.read_text(encoding="utf-8").strip())
    return settings.model_copy(update={"installation_secret": secret})
