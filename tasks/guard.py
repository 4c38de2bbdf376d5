"""What every process looks at before it works: settings and a store that keep our promises.

A refusal is one sentence with its fix. Managed stores may forbid CONFIG, so INFO alone decides.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from tasks.connection import Unforeseen, store_errors
from tasks.errors import ConfigurationError, StoreAway, StoreRefused
from tasks.installation import mismatch
from tasks.keys import KINDS
from tasks.marks import SCHEMA, newer
from tasks.setting_kinds import parse_store_url
from tasks.settings import Settings
from tasks.store import Store

SECTIONS = ("server", "memory", "persistence", "cluster")
"""Of INFO; lists of commands and keys left out."""

KEYS_LOOKED_AT = 100_000
"""Keys of a store that are looked at for foreign ones: a fifth of a second."""
PAGE = 1_000

DEBUGGING = "FLASK_DEBUG is on: tracebacks would be shown to who asks. Unset it"


CLUSTER = "it is Redis Cluster; name a server without it in REDIS_URL"


@dataclass(frozen=True)
class Finding:
    """One thing about the store, and whether it is as it must be."""

    text: str
    refused: bool = False


@dataclass(frozen=True)
class Demand:
    """A field of INFO that must have one value."""

    setting: str  # as the server's configuration calls it
    field: str
    right: object
    word: str  # that allows another value, in REELQUEUE_ALLOW
    otherwise: str


DEMANDS = (
    Demand(
        "maxmemory-policy", "maxmemory_policy", "noeviction", "eviction", "records would vanish"
    ),
    Demand("appendonly", "aof_enabled", "yes", "no-persistence", "a restart loses records"),
)


def settings_or_refuse(settings: Settings) -> None:
    """See that the settings may be worked with.

    Raises:
        ConfigurationError: debug mode is on, or a secret that is set is too short or no secret.
    """
    if settings.debugging:
        raise ConfigurationError(DEBUGGING)
    if settings.secrets is not None:
        settings.keyring()
    if settings.api_token is not None:
        settings.bearer()
    if settings.installation_secret is not None:
        settings.id_secret()


def store_or_refuse(store: Store, settings: Settings) -> None:
    """See that the store may be worked with; writes nothing.

    Raises:
        StoreRefused: with the fix of each fault.
        StoreAway: it does not answer.
    """
    seen = _seen(store)
    faults = [found.text for found in _judged_all(seen, store, settings) if found.refused]
    if not faults and settings.installation_secret is not None:  # who has none derives no ids
        faults = list(filter(None, [mismatch(seen.installation, settings)]))
    if not faults and not seen.provider:  # a new store: whose keys are these?
        faults = list(foreign(store))
    if faults:
        raise StoreRefused("the store is refused: " + "; ".join(faults))


def refuse_scriptless(store: Store) -> None:
    """See that our scripts can be loaded and run, by running one that changes nothing.

    Raises:
        StoreRefused: the server is too old, or its user may not run them.
        StoreAway: it does not answer.
    """
    store.outlook()


def refuse_cluster(store: Store) -> None:
    """See that scripts may name any key.

    Raises:
        StoreRefused: it is Redis Cluster.
        StoreAway: it does not answer.
    """
    if _is_cluster(_info(store)):
        raise StoreRefused(f"the store is refused: {CLUSTER}")


def warnings(settings: Settings) -> Iterator[str]:
    """Yield warnings: usable, but unwise, settings."""
    public = urlsplit(settings.public_url or "")
    if public.scheme == "http" and not _is_here(public.hostname):
        yield (
            "PUBLIC_URL is plain http: anyone on the way can read results and callback tokens. "
            "Let a proxy end TLS, and write https://"
        )
    store: dict[str, Any] = parse_store_url(settings.store_url()) if settings.redis_url else {}
    if "host" in store and not store.get("password") and not _is_here(store["host"]):
        yield (
            "REDIS_URL has no password, and its host is not this machine: who reaches it can read "
            "and change everything. Set requirepass there, and :PASSWORD@ in the URL"
        )


def flower_warnings(settings: Settings) -> Iterator[str]:
    """Yield such warnings of Flower, for the process that serves it."""
    if settings.flower_auth is None and not _is_here(settings.host):
        yield (
            "REELQUEUE_FLOWER_AUTH is not set, and REELQUEUE_HOST is more than this machine: who "
            "reaches it sees every job. Set user:password"
        )


def of_store(store: Store, settings: Settings) -> Iterator[Finding]:
    """Yield what the server and our mark in it tell; writes nothing.

    Raises:
        StoreRefused: its user may not ask.
        StoreAway: it does not answer.
    """
    return _judged_all(_seen(store), store, settings)


@dataclass(frozen=True)
class _Seen:
    told: Mapping[str, Any]  # INFO, lists of commands and keys left out
    kind: str = "none"  # of what stands where our marks do
    schema: str = ""
    provider: str = ""
    installation: str = ""


def _seen(store: Store) -> _Seen:
    """Ask for all in one round trip: the store may be far away, and a door has little time.

    Raises:
        StoreRefused: it is forbidden; by it scripts see, too, whether the store has restarted.
        StoreAway: the store does not answer, or loads its data: until it has, it says that AOF is
            off, whatever its configuration.
    """
    meta = store.keys("meta")
    with store_errors():
        pipe = store.client.pipeline(transaction=False)
        pipe.info(*SECTIONS).type(meta).hmget(meta, "schema", "provider", "installation")
        info, kind, marks = pipe.execute(raise_on_error=False)
        told = _whole(_answered(info))
        if _is_cluster(told):
            return _Seen(told)  # nothing else can be asked
        if _answered(kind) not in {b"hash", b"none"}:
            return _Seen(told, kind.decode())
        return _Seen(told, kind.decode(), *((mark or b"").decode() for mark in _answered(marks)))


def _answered(answer: Any) -> Any:  # noqa: ANN401  commands answer differently
    if isinstance(answer, Exception):
        raise answer
    return answer


def _info(store: Store) -> dict[str, Any]:
    with store_errors():
        return _whole(store.client.info(*SECTIONS))


def _whole(told: dict[str, Any]) -> dict[str, Any]:
    if told.get("loading") or told.get("async_loading"):
        raise StoreAway("the store is loading its data")
    return told | {"aof_enabled": {0: "no", 1: "yes"}.get(told.get("aof_enabled", -1))}


def _judged_all(seen: _Seen, store: Store, settings: Settings) -> Iterator[Finding]:
    if _is_cluster(seen.told):
        yield Finding(CLUSTER, refused=True)
        return
    for demand in DEMANDS:
        yield _judged(demand, seen.told.get(demand.field), settings.allowed)
    if seen.kind not in {"hash", "none"}:
        yield Finding(_foreign(store, store.keys("meta")), refused=True)
    elif seen.schema not in {"", str(SCHEMA)}:
        yield Finding(newer(seen.schema), refused=True)


def _is_cluster(told: Mapping[str, Any]) -> bool:
    return told.get("redis_mode") == "cluster" or told.get("cluster_enabled") == 1


def _judged(demand: Demand, value: object, allowed: frozenset[str]) -> Finding:
    told = f"{demand.setting} {value}"
    if value == demand.right:
        return Finding(told)
    if value is None:
        return Finding(f"{demand.setting} is not told by INFO; see that it is {demand.right}")
    if demand.word in allowed:
        return Finding(f"{told}: {demand.otherwise}; allowed by REELQUEUE_ALLOW")
    fix = f"set it to {demand.right}, or for throw-away use REELQUEUE_ALLOW={demand.word}"
    return Finding(f"{told}: {demand.otherwise}; {fix}", refused=True)


def foreign(store: Store) -> Iterator[str]:
    """Yield a sentence where keys of others stand under our namespace; looks at a part of many.

    Raises:
        StoreAway: it does not answer.
    """
    ours, cursor = store.keys.are_all(), 0
    with store_errors():
        for _ in range(KEYS_LOOKED_AT // PAGE):
            cursor, keys = store.client.scan(cursor, f"{store.keys.namespace}:*", PAGE)
            strange = next((key for key in keys if not ours.fullmatch(key)), None)
            if strange is not None:
                yield _foreign(store, strange.decode("utf-8", "replace"))
                return
            if not cursor:
                return


def misplaced(store: Store) -> Iterator[str]:
    """Yield a sentence for each of our few fixed keys that holds something of another kind.

    Raises:
        StoreAway: it does not answer.
    """
    kinds = {store.keys(name): kind for kind, names in KINDS.items() for name in names}
    with store_errors():
        pipe = store.client.pipeline(transaction=False)
        for key in kinds:
            pipe.type(key)
        found = pipe.execute()
    for (key, kind), is_ in zip(kinds.items(), found, strict=True):
        if is_.decode() not in {kind, "none"}:
            yield (
                f"{key} holds a {is_.decode()} and must hold a {kind}: somebody else has written "
                f"it. Rename it (RENAME), and see who writes under {store.keys.namespace}:"
            )


def unforeseen(store_said: Unforeseen) -> str:
    """Return a sentence for an answer of the store that nothing of ours brings about."""
    return (
        f"the store answered: {str(store_said)[:120]}. A key of ours, which all begin with "
        "REELQUEUE_NAMESPACE, may hold something of another kind; `reelqueue doctor` looks at them"
    )


def _foreign(store: Store, key: str) -> str:
    return (
        f"{key[:80]!r} is no key of reelqueue, and stands under its namespace "
        f"{store.keys.namespace}; choose another REELQUEUE_NAMESPACE"
    )


def _is_here(host: str | None) -> bool:
    if host == "localhost":
        return True
    with suppress(ValueError):  # a name
        return ip_address(str(host)).is_loopback
    return False
