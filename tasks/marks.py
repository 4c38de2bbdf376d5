"""The marks of a store: its schema, its provider, and whose secret its ids come from."""

from typing import Any

from tasks.connection import store_errors
from tasks.errors import StoreRefused
from tasks.keys import Keys
from tasks.lua import Scripts
from tasks.settings import SIMULATED

SCHEMA = 3


class Marks:
    """The marks of one namespace. All of its methods raise StoreAway where nothing is answered."""

    def __init__(self, client: Any, keys: Keys, scripts: Scripts) -> None:  # noqa: ANN401  as Store
        self._client, self._keys, self._scripts = client, keys, scripts

    def check(self, provider: str, window: int) -> None:
        """Mark a new store, or refuse one that is not ours to use.

        Args:
            provider: Mark of the provider that this process uses.
            window: First window of a new store, in tasks.

        Raises:
            StoreRefused: it is another provider's, or of another schema.
        """
        schema, mark = (
            text.decode() for text in self._scripts.run("mark", SCHEMA, provider, window)
        )
        if int(schema) != SCHEMA:
            raise StoreRefused(newer(schema))
        if mark != provider:
            raise StoreRefused(
                f"the store holds answers of '{mark}', and this process would use '{provider}'. "
                "They must never meet: give it another REELQUEUE_NAMESPACE or REELQUEUE_DATA_DIR."
            )

    def provider(self) -> str:
        """Return the provider's mark; empty where it has none yet."""
        return self._read("provider")

    def is_simulated(self) -> bool:
        """Whether its answers and costs are made up."""
        return self.provider() == SIMULATED

    def installation(self) -> str:
        """Return the digest of the secret of its ids; empty where it has none yet."""
        return self._read("installation")

    def created(self) -> str:
        """Return when the store was created, in its milliseconds."""
        return self._read("created")

    def has_ids(self) -> bool:
        """Whether a secret was known for its ids, though an older version kept no digest of it."""
        with store_errors():
            return bool(self.installation() or self._client.exists(self._keys("batches")))

    def install(self, digest: str) -> None:
        """Mark it with the digest of an installation secret, unless it has one."""
        with store_errors():
            self._client.hsetnx(self._keys("meta"), "installation", digest)

    def _read(self, field: str) -> str:
        with store_errors():
            return bytes(self._client.hget(self._keys("meta"), field) or b"").decode()


def newer(schema: str) -> str:
    """Return why a store of another schema is refused, and what to do."""
    return (
        f"the store has schema {schema}, this reelqueue knows {SCHEMA}: install the version that "
        "wrote it, or choose another REELQUEUE_NAMESPACE"
    )
