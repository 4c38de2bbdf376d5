"""Whatever form the store's URL has: broker, results and our own connection go the same way."""

import ssl
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from celery import Celery
from redis.connection import SSLConnection
from store_driver import StoreServer, certified, free_port, redis_binary

from tasks.errors import ConfigurationError, StoreAway
from tasks.settings import load
from tasks.store import Store
from worker.config import celery_config

pytestmark = [
    pytest.mark.needs("redis-server", "redis-server"),
    pytest.mark.needs("openssl", "openssl"),
]
USER, PASSWORD = "ann@;night", "p@ss/w:o;rd%20"
LOGIN = "ann%40%3Bnight:p%40ss%2Fw%3Ao%3Brd%2520@"


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Give a store that is reached by TCP, TLS and a Unix socket; all but its user may nothing."""
    folder = tmp_path_factory.mktemp("st%20ore")
    authority, *tls = certified(folder)
    port, path = free_port(), folder / "store.sock"
    options = [*tls, "--tls-port", str(port), "--unixsocket", str(path)]
    with StoreServer(redis_binary(), folder, *options) as server:
        with closing(Store.open(server.url, "x").client) as client:
            client.acl_setuser(
                USER, enabled=True, passwords=[f"+{PASSWORD}"], keys="*", categories=["+@all"]
            )
        yield {
            "PORT": str(server.port),
            "TLS": str(port),
            "SOCKET": str(path).replace("%", "%25"),
            "CA": str(authority).replace("%", "%25"),
        }


@pytest.mark.parametrize(
    ("url", "db", "user"),
    [
        ("redis://LOGIN127.0.0.1:PORT/3", "3", USER),
        ("redis://LOGIN127.0.0.1:PORT?db=4", "4", USER),
        ("redis://LOGIN127.0.0.1:PORT/1?db=4", "4", USER),
        ("redis://localhost:PORT", "0", "default"),
        ("unix://LOGINSOCKET", "0", USER),
        ("unix://LOGINSOCKET?db=5", "5", USER),
        ("rediss://LOGIN127.0.0.1:TLS/6?ssl_ca_certs=CA", "6", USER),
        ("rediss://127.0.0.1:TLS?db=7&ssl_ca_certs=CA&ssl_cert_reqs=required", "7", "default"),
        ("rediss://LOGIN127.0.0.1:TLS?ssl_cert_reqs=none", "0", USER),
    ],
)
def test_celery_goes_where_we_go_and_as_whom(
    url: str, db: str, user: str, places: dict[str, str]
) -> None:
    for name, value in {"LOGIN": LOGIN, **places}.items():
        url = url.replace(name, value)
    settings = load({"REDIS_URL": url})
    app = Celery(set_as_current=False)
    app.conf.update(celery_config(settings))
    with (
        closing(Store.open(url, "x").client) as ours,
        closing(app.backend.client) as results,
        app.connection_for_write() as connection,
    ):
        broker = connection.default_channel.client
        for client in (ours, results, broker):
            told: Any = client.client_info()
            assert (told["db"], told["user"]) == (int(db), user)
        ways = [checks(client) for client in (ours, results, broker)]
        assert ways[0] == ways[1] == ways[2]
        checked = None if not url.startswith("rediss") else "ssl_cert_reqs=none" not in url
        assert ways[0] == {None: None, True: ssl.CERT_REQUIRED, False: ssl.CERT_NONE}[checked]
        connection.default_channel.close()


def checks(client: Any) -> ssl.VerifyMode | None:  # noqa: ANN401  redis-py's
    """Return what a client does about certificates; None without TLS."""
    made = client.connection_pool.make_connection()
    return made.cert_reqs if isinstance(made, SSLConnection) else None


def test_a_server_whose_certificate_nobody_vouches_for_is_refused_by_celery_too(
    places: dict[str, str],
) -> None:
    app = Celery(set_as_current=False)
    app.conf.update(celery_config(load({"REDIS_URL": f"rediss://127.0.0.1:{places['TLS']}"})))
    with (
        pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"),
        closing(app.backend.client) as results,
    ):
        results.ping()
    with (
        pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"),
        app.connection_for_write() as connection,
    ):
        connection.ensure_connection(max_retries=1, interval_start=0)


def test_a_certificate_that_is_not_trusted_is_told_as_such(places: dict[str, str]) -> None:
    store = Store.open(f"rediss://127.0.0.1:{places['TLS']}", "x")
    with closing(store.client), pytest.raises(StoreAway) as caught:
        store.probe()
    assert "its certificate is not trusted (self-signed certificate)" in str(caught.value)
    assert "ssl_ca_certs=FILE" in str(caught.value)


@pytest.mark.parametrize("name", ["protocol", "health_check_interval", "socket_timeout", "ssl_x"])
@pytest.mark.parametrize("url", ["redis://:hush@h/0?{}=3", "rediss://:hush@h/?db=1&{}=5"])
def test_what_not_all_take_in_a_stores_url_is_refused_by_name(name: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"REDIS_URL: what may stand .*; not {name}$"):
        load({"REDIS_URL": url.format(name)})


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://h/0?ssl_ca_certs=/ca.pem", "not ssl_ca_certs"),
        ("unix:///s?ssl_cert_reqs=none&password=hush", "not password, ssl_cert_reqs"),
        ("rediss://:hush@h/0?ssl_ca_certs=/no/ca.pem", "ssl_ca_certs: there is no file /no/ca.pem"),
        ("rediss://:hush@h/0?ssl_keyfile=/no/key.pem", "ssl_keyfile: there is no file"),
        ("rediss://h/0?ssl_cert_reqs=CERT_REQUIRED", "must be one of required, optional, none"),
    ],
)
def test_what_is_told_of_tls_must_be_of_use(url: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        load({"REDIS_URL": url})
    assert "hush" not in str(caught.value)
