"""No key, token or password is told by anything a process prints, writes, shows or is called by."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import requests
from simulator_driver import Simulator, wait_until
from stack_driver import Place, Up, real, up
from store_driver import StoreServer, free_port, valkey_binary

FLOWER_AUTH = ("canary-user", "canary-flower")
API_TOKEN = "canary-api-token-of-32-characters-or-more"
CALLBACK_KEY = base64.b64encode(b"canary-callback-key-of-32-bytes!").decode()
ROWS = (
    {"prompt": "fine", "video": "https://example.com/a.mp4?signature=canary-signature"},
    {"prompt": "unsafe [[sim: fail=contentPolicyViolation]]"},
    {"prompt": "refused [[sim: refuse=invalidValue]]"},
)
VERBS = (
    ("status", "refused"),
    ("results", "planted"),
    ("job", "row-1", "--batch", "planted", "--json"),
    ("doctor", "--settings"),
)
PAGES = ("/", "/tasks", "/api/tasks", "/broker", "/metrics")


@pytest.fixture(scope="module")
def seller() -> Iterator[Simulator]:
    """Give a simulator of this file's own: it is going to reject the key."""
    running = Simulator("--latency", "0.2")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder where the store keeps its files."""
    return tmp_path_factory.mktemp("dump")


@pytest.fixture(scope="module")
def server(dump: Path) -> Iterator[StoreServer]:
    """Give a store of this file's own."""
    with StoreServer(valkey_binary(), dump) as running:
        yield running


class Listener:
    """Keeps what is published in a store: Celery's events and its remote control."""

    def __init__(self, client: redis.Redis) -> None:
        self.heard: list[bytes] = []
        self._listening: Any = client.pubsub()  # type: ignore[no-untyped-call]  # redis-py
        self._listening.psubscribe(**{"*": self._keep})
        self._thread = self._listening.run_in_thread(sleep_time=0.1, daemon=True)

    def _keep(self, message: dict[str, bytes]) -> None:
        self.heard.append(message["data"])

    def close(self) -> None:
        self._thread.stop()
        self._thread.join()


@pytest.fixture(scope="module")
def published(server: StoreServer) -> Iterator[list[bytes]]:
    """Give all that is published while this file's tests run."""
    with redis.Redis.from_url(server.url) as client:
        listener = Listener(client)
        yield listener.heard
        listener.close()


@pytest.fixture(scope="module")
def planted(
    seller: Simulator,
    server: StoreServer,
    published: list[bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Up]:
    """Run `up` with a canary for each secret, a batch that has ended, and one that is paused."""
    assert published == []
    with redis.Redis.from_url(server.url) as admin:
        rights = {"keys": ["*"], "channels": ["*"], "commands": ["+@all"]}
        admin.acl_setuser("canary", enabled=True, passwords=["+canary-store"], **rights)
    place = Place(
        tmp_path_factory.mktemp("planted"),
        **real(seller, RUNWARE_API_KEY="rw-canary-key"),
        REDIS_URL=server.url.replace("//", "//canary:canary-store@"),
        REELQUEUE_NAMESPACE="planted",
        REELQUEUE_SECRETS=f"k1:{CALLBACK_KEY}",
        REELQUEUE_INSTALLATION_SECRET="canary-installation-of-32-characters",
        REELQUEUE_FLOWER_AUTH=":".join(FLOWER_AUTH),
        REELQUEUE_API_TOKEN=API_TOKEN,
        REELQUEUE_API_PORT=str(free_port()),
    )
    place.env["PUBLIC_URL"] = f"http://127.0.0.1:{place.ports[0]}"
    with up(place) as running:
        assert place.run("submit", place.manifest("planted", *ROWS), "--watch").returncode == 3
        forged = f"http://127.0.0.1:{place.ports[0]}/webhooks/runware?k=k1&j=a&e=1&t=canary-forged"
        assert requests.post(forged, json={}, timeout=5).status_code == 401
        api = f"http://127.0.0.1:{place.env['REELQUEUE_API_PORT']}/v1/batches"
        paths = ("", "/planted/results", "?token=canary-query")
        for token, statuses in ((API_TOKEN, (200, 200, 400)), ("canary-another", (401, 401, 401))):
            bearer = {"Authorization": f"Bearer {token}"}
            for path, status in zip(paths, statuses, strict=True):
                assert requests.get(api + path, headers=bearer, timeout=5).status_code == status
        seller.change(reject_key=True)
        place.run("submit", place.manifest("refused", {"prompt": "x"}))
        wait_until(lambda: "PAUSED" in place.run("status", "refused").stdout)
        yield running


def secrets_of(seller: Simulator, but: str = "") -> re.Pattern[str]:
    """Return what must stand nowhere: all canaries, and the tokens of the callbacks."""
    tokens = {
        found
        for task in seller.truth("?tasks=1")["tasks"]
        for sent in seller.truth(f"/{task['taskUUID']}")["submissions"]
        for found in re.findall(
            r"[?&]t=([\w-]{43})", json.loads(base64.b64decode(sent["body_base64"]))["webhookURL"]
        )
    }
    assert len(tokens) == len(ROWS)
    own = ("rw-canary", "canary-store", "canary-flower", "canary-signature", "canary-forged")
    more = ("canary-api", "canary-another", "canary-query", "canary-callback", CALLBACK_KEY)
    more += ("canary-installation",)
    secret = {*own, *more, *tokens} - {but}
    return re.compile("|".join(map(re.escape, secret)))


def test_no_log_and_nothing_printed_tells_a_secret(planted: Up, seller: Simulator) -> None:
    secret = secrets_of(seller)
    logs = {path.name: path.read_text() for path in (planted.place.data / "logs").iterdir()}
    assert {"worker.log", "webhooks.log", "flower.log"} <= set(logs)
    assert "callback.unauthorised" in logs["webhooks.log"]
    told = [name for name, text in logs.items() if secret.search(text)]
    assert told == []
    assert not secret.search(planted.said)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_no_verb_tells_a_secret(verb: tuple[str, ...], planted: Up, seller: Simulator) -> None:
    done = planted.place.run(*verb)
    assert (done.returncode, bool(done.stdout)) == (0, True)
    assert not secrets_of(seller).search(done.stdout + done.stderr)


def with_bodies(raw: bytes) -> str:
    """Return what was stored or published, and what Celery's messages in it say in base64."""
    bodies = re.findall(rb'"body": ?"([\w+/=]+)"', raw.replace(b'\\"', b'"'))
    return b"\n".join([raw, *map(base64.b64decode, bodies)]).decode(errors="replace")


def test_no_message_no_event_and_no_file_of_the_store_tells_a_secret(
    planted: Up, seller: Simulator, server: StoreServer, published: list[bytes], dump: Path
) -> None:
    assert planted.place.run("status", "planted").returncode == 0
    told = secrets_of(seller, but="canary-signature")  # what the user sends is stored
    events = with_bodies(b"\n".join(published))
    assert '"type": "task-succeeded"' in events
    with redis.Redis.from_url(server.url) as client:
        client.config_set("appendfsync", "always")  # what is to be read is written
        wait_until(lambda: not client.info("persistence").get("aof_buffer_length"))
    kept = with_bodies(b"\n".join(path.read_bytes() for path in dump.rglob("*") if path.is_file()))
    assert "reelqueue.submit" in kept  # a message of Celery's
    assert "planted:j:" in kept  # a record
    assert not told.search(events)
    assert not told.search(kept)


def test_no_process_is_called_by_a_secret(planted: Up, seller: Simulator) -> None:
    called = planted.place.processes()
    assert len(called) >= 4
    assert [argv for argv in called.values() if secrets_of(seller).search(argv)] == []


def test_flower_asks_for_its_password_and_no_page_tells_a_secret(
    planted: Up, seller: Simulator
) -> None:
    secret = secrets_of(seller)
    assert requests.get(f"{planted.place.flower}/tasks", timeout=5).status_code == 401
    for page in PAGES:
        shown = requests.get(f"{planted.place.flower}{page}", auth=FLOWER_AUTH, timeout=5)
        assert shown.ok, page
        assert not secret.search(shown.text), page


def test_metrics_ask_for_the_token_and_tell_no_secret(planted: Up, seller: Simulator) -> None:
    metrics = f"http://127.0.0.1:{planted.place.env['REELQUEUE_API_PORT']}/metrics"
    assert requests.get(metrics, timeout=5).status_code == 401
    bearer = {"Authorization": f"Bearer {API_TOKEN}"}

    def told() -> str:
        return requests.get(metrics, headers=bearer, timeout=5).text

    wait_until(lambda: 'reelqueue_callbacks_total{outcome="unauthenticated"} 1.0' in told())
    assert 'reelqueue_provider_errors_total{code="' in told()
    assert not secrets_of(seller).search(told())


def test_generated_secrets_are_for_the_owner_alone(running: Place) -> None:
    folder = running.data / "secrets"
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "redis_url": 0o600,
        "reelqueue_secrets": 0o600,
        "reelqueue_installation_secret": 0o600,
    }
    closed = [running.data, folder, running.data / "logs", running.data / "store"]
    assert {path.stat().st_mode & 0o777 for path in closed} == {0o700}
    password = (folder / "redis_url").read_text().split("@")[0].removeprefix("redis://:")
    assert password not in "".join(running.processes().values())
    for log in (running.data / "logs").iterdir():
        assert password not in log.read_text()
