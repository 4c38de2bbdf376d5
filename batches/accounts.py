"""Where local files go: to the provider of the store, be it Runware or the simulator."""

import hmac
import socket
from urllib.parse import urlsplit

from batches.uploads import Account
from tasks.environment import simulator_file
from tasks.errors import ConfigurationError
from tasks.ids import short_digest
from tasks.provider import Provider
from tasks.settings import Settings
from tasks.store import Store

_CONNECTIONS = 4
"""Per upload at once: those that wait to be ready are asked for meanwhile."""


def account_of(store: Store, settings: Settings) -> Account:
    """Return the account whose media the jobs of a store can use.

    Raises:
        ConfigurationError: there is no key, no simulator runs here, or the store is another
            provider's.
        StoreAway: the store does not answer.
    """
    if store.marks.is_simulated() and not settings.simulated:
        url, key = _simulator(settings), "simulated"
    elif settings.api_key is None:
        raise ConfigurationError(
            "local files cannot be uploaded: RUNWARE_API_KEY is not set, and no simulator runs "
            "here. Set the key, or start `reelqueue up`"
        )
    else:
        store.marks.check(settings.provider_mark, settings.window_start)
        url, key = settings.base_url, settings.api_key.get_secret_value()
    # Told apart by the key, which the index must not tell.
    whose = short_digest(hmac.digest(settings.id_secret(), key.encode(), "sha256"))
    return Account(Provider(url, key, settings.uploads * _CONNECTIONS), f"{url} {whose}")


def _simulator(settings: Settings) -> str:
    try:
        url = simulator_file(settings.data_dir).read_text(encoding="ascii")
        parts = urlsplit(url)
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=2).close()
    except (OSError, ValueError):
        raise ConfigurationError(
            "local files cannot be uploaded: this store's provider is the simulator, and none runs "
            f"with the data folder {settings.data_dir}. Start `reelqueue up`"
        ) from None
    return url
