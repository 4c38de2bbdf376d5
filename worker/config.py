"""Celery's own settings. Sources: measurements of Celery 5.7 on Redis, noted beside each."""

from ssl import VerifyMode
from typing import Any
from urllib.parse import quote, urlsplit

from redis.connection import Connection, SSLConnection

from tasks.moves import CALLER_TOLD
from tasks.setting_kinds import parse_store_url
from tasks.settings import NAMESPACE, Settings

TEXT_INFERENCE = "reelqueue.text_inference"
"""The name under which a job shows in Flower."""

THEIRS = "celery"
"""Celery's own default queue."""


CHORD_KEPT = 30 * 86_400
"""Seconds for which a chord is kept after the last news of it: its parts may wait for long."""


def doors(namespace: str) -> str:
    """Return the queue of the doors' messages.

    Behind a hundred thousand calls a seat would run out before its door comes; of two queues the
    worker takes in turn.
    """
    return f"{namespace}.doors"


def events(namespace: str) -> str:
    """Return the exchange of what Flower is told."""
    return f"{namespace}.events"


def route(name: str, *_: object, **__: object) -> dict[str, str] | None:
    """Send the links and chord bodies of other programs where these look by default.

    A signature that names a queue goes there.
    """
    return None if name.startswith("reelqueue.") else {"queue": THEIRS}


def spelled(url: str) -> str:
    """Return a store's URL as Celery reads it.

    It has another scheme for a Unix socket, takes the database from the path alone, and what is
    told of TLS is none of the URL (`secured`).
    """
    told = parse_store_url(url)
    user, password = (quote(told.get(part, ""), safe="") for part in ("username", "password"))
    login, db = f"{user}:{password}@" if user or password else "", told.get("db", 0)
    if "path" in told:
        return f"redis+socket://{login}{quote(told['path'])}?virtual_host={db}"
    host, port = told.get("host", "localhost"), told.get("port", 6379)
    named = f"[{host}]" if ":" in host else quote(host)
    return f"{urlsplit(url).scheme}://{login}{named}:{port}/{db}"


def secured(url: str) -> dict[str, Any] | None:
    """Return what Celery is to do about TLS; None where a store's URL is without.

    A server's certificate is checked unless the URL says otherwise. By themselves kombu would not
    check it, and the result backend would refuse the URL.
    """
    told = parse_store_url(url)
    if not issubclass(told.get("connection_class", Connection), SSLConnection):
        return None
    checks = VerifyMode[f"CERT_{told.pop('ssl_cert_reqs', 'required').upper()}"]
    given = {name: value for name, value in told.items() if name.startswith("ssl_")}
    return {"ssl_cert_reqs": checks, **given}


def celery_config(settings: Settings) -> dict[str, Any]:
    """Return Celery's configuration for our namespace."""
    ns, url = settings.namespace, settings.store_url()
    sockets = {"socket_timeout": 5.0, "socket_connect_timeout": 2.0, "socket_keepalive": True}
    return {
        "broker_url": spelled(url),
        "broker_use_ssl": secured(url),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # a store that is away comes back
        "broker_transport_options": {
            # A pause of the store must not hang whoever publishes.
            **sockets,
            "max_retries": 1,
            # A message in the hands of a worker that died: seats run out long before.
            "visibility_timeout": 120,
            "unacked_restore_throttle": 1,
            # Without these two namespaces on one store would restore each other's messages.
            "unacked_key": f"{ns}:unacked",
            "unacked_index_key": f"{ns}:unacked_index",
            "unacked_mutex_key": f"{ns}:unacked_mutex",
        },
        "task_serializer": "json",
        "result_serializer": "json",
        "event_serializer": "json",
        "accept_content": ["json"],
        "result_accept_content": ["json"],
        "task_default_queue": ns,
        "task_queues": {name: {"routing_key": name} for name in (ns, doors(ns))},
        "task_routes": (route,),
        "event_exchange": events(ns),
        # Programs that know no name of ours revoke through Celery's own exchange.
        "control_exchange": "celery" if ns == NAMESPACE else f"{ns}.control",
        "task_ignore_result": True,  # but of jobs
        "result_backend": spelled(url),
        "redis_backend_use_ssl": secured(url),
        "result_expires": CALLER_TOLD,
        "result_chord_expires": CHORD_KEPT,
        "result_backend_thread_safe": True,  # one client for all threads
        "redis_socket_timeout": 5.0,
        "redis_socket_connect_timeout": 2.0,
        "redis_socket_keepalive": not url.startswith(
            "unix:"
        ),  # such a connection has no word of it
        "task_publish_retry": False,
        "worker_send_task_events": True,
        "worker_prefetch_multiplier": 1,
        "worker_pool": "threads",
        "worker_consumer": "worker.consuming:PatientConsumer",
        "worker_concurrency": settings.worker_threads,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_soft_shutdown_timeout": 3.0,
        "broker_pool_limit": 10,
        "enable_utc": True,
        "timezone": "UTC",
    }
