"""Settings and stores that would make a promise untrue: every process refuses, and says the fix."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

import pytest
import redis
from simulator_driver import ROOT, wait_until
from store_driver import StoreServer, free_port, valkey_binary

from console.up import summary
from tasks import guard
from tasks.environment import OF_CELERY
from tasks.errors import StoreAway, StoreRefused
from tasks.installation import digest
from tasks.marks import SCHEMA
from tasks.settings import Settings, load
from tasks.store import Store
from tasks.token import new_keys

PYTHON = [sys.executable, "-m"]
COMMAND = str(Path(sys.executable).with_name("reelqueue"))
PROCESSES = {
    "worker": [*PYTHON, "worker"],
    "door": [*PYTHON, "webhooks"],
    "api": [*PYTHON, "webhooks.api"],
    "up": [COMMAND, "up"],
    "flower": [*PYTHON, "worker.flower"],
    "doctor": [COMMAND, "doctor"],
}


def some(number: int) -> tuple[str, str]:
    """Return the doctor and one process, another for each number.

    All processes ask the same function: that they do, one fault of a store and some of the settings
    show with all of them.
    """
    others = [name for name in PROCESSES if name != "doctor"]
    return "doctor", others[number % len(others)]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """Give a store whose configuration is changed by these tests."""
    with StoreServer(valkey_binary(), tmp_path_factory.mktemp("own")) as server:
        yield server


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[StoreServer]:
    bus = str(free_port())  # by default 10,000 above the port, which may be no port
    options = ("--cluster-enabled", "yes", "--cluster-port", bus)
    with StoreServer(valkey_binary(), tmp_path, *options) as server:
        yield server


@pytest.fixture
def opened(own: StoreServer, namespace: str) -> Iterator[Store]:
    """Give the store as it is right."""
    store = Store.open(own.url, namespace)
    yield store
    store.client.config_set("maxmemory-policy", "noeviction")
    store.client.config_set("appendonly", "yes")
    store.client.close()


def environment(url: str, namespace: str, folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "REELQUEUE_ENV_FILE": os.devnull,
        "REELQUEUE_DATA_DIR": str(folder / "data"),
        "REELQUEUE_NAMESPACE": namespace,
        "REELQUEUE_SECRETS": new_keys(),
        "REELQUEUE_INSTALLATION_SECRET": "x" * 32,
        "REELQUEUE_API_TOKEN": "x" * 32,
        "RUNWARE_API_KEY": "rw-test-key",
        "RUNWARE_BASE_URL": "http://127.0.0.1:1/v1",
        "REDIS_URL": url,
        **{f"REELQUEUE_{what}": str(free_port()) for what in ("PORT", "FLOWER_PORT", "API_PORT")},
    }


def refused(env: Mapping[str, str], *names: str) -> dict[str, str]:
    """Start the processes, which must end by themselves with code 1; returns what each said."""

    def run(name: str) -> str:
        own_ports = {
            f"REELQUEUE_{what}": str(free_port()) for what in ("PORT", "FLOWER_PORT", "API_PORT")
        }
        folder = {"REELQUEUE_DATA_DIR": f"{env['REELQUEUE_DATA_DIR']}-{name}"}
        done = subprocess.run(
            PROCESSES[name],
            cwd=ROOT,
            env={**env, **own_ports, **folder},
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 1, (name, said)
        assert "Traceback" not in said
        return said

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(names, pool.map(run, names), strict=True))


def spoil(store: Store, fault: str) -> None:
    """Make a store one that must not be used."""
    if fault == "eviction":
        store.client.config_set("maxmemory-policy", "allkeys-lru")
    elif fault == "no-persistence":
        store.client.config_set("appendonly", "no")
    elif fault == "schema":
        store.client.hset(store.keys("meta"), mapping={"schema": SCHEMA + 1, "provider": "x"})
    elif fault == "installation":
        store.marks.install(digest(b"y" * 32))
    elif fault == "foreign":
        store.client.set(f"{store.keys.namespace}:sessions:7", "of another program")


FAULTS = {
    "eviction": ("maxmemory-policy allkeys-lru", "set it to noeviction"),
    "no-persistence": ("appendonly no", "set it to yes"),
    "schema": (f"schema {SCHEMA + 1}", "install the version"),
    "installation": (
        "secret of its taskUUIDs is another than REELQUEUE_INSTALLATION_SECRET gives now",
        "Put the former secret back",
    ),
    "foreign": ("sessions:7", "choose another REELQUEUE_NAMESPACE"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_store_that_breaks_a_promise_is_refused_and_the_fix_said(
    fault: str, opened: Store, own: StoreServer, tmp_path: Path
) -> None:
    spoil(opened, fault)
    before = opened.client.dbsize()

    number = list(FAULTS).index(fault)
    names = some(number) if number else PROCESSES
    said = refused(environment(own.url, opened.keys.namespace, tmp_path), *names)

    for name, text in said.items():
        assert FAULTS[fault][0] in text, name
        assert FAULTS[fault][1] in text, name
    assert opened.client.dbsize() - before <= 1  # the doctor's probe


def test_redis_cluster_is_refused(cluster: StoreServer, tmp_path: Path) -> None:
    said = refused(environment(cluster.url, "clustered", tmp_path), *some(0))
    assert all("Redis Cluster; name a server without it" in text for text in said.values()), said


def test_debug_mode_is_refused_by_all(opened: Store, own: StoreServer, tmp_path: Path) -> None:
    env = environment(own.url, opened.keys.namespace, tmp_path) | {"FLASK_DEBUG": "1"}
    said = refused(env, *PROCESSES)
    assert all("FLASK_DEBUG is on" in text for text in said.values()), said


@pytest.mark.parametrize(
    "short", [{"REELQUEUE_SECRETS": "k1:c2VzYW1l"}, {"REELQUEUE_INSTALLATION_SECRET": "sesame"}]
)
def test_a_short_secret_beside_a_public_url_is_refused_by_all(
    short: dict[str, str], opened: Store, own: StoreServer, tmp_path: Path
) -> None:
    env = environment(own.url, opened.keys.namespace, tmp_path) | short
    said = refused(env | {"PUBLIC_URL": "https://hooks.example.com"}, *PROCESSES)
    for name, text in said.items():
        assert next(iter(short)) in text, name
        assert "sesame" not in text.replace("c2VzYW1l", "sesame"), name


def test_missing_callback_keys_beside_a_public_url_are_refused(
    opened: Store, own: StoreServer, tmp_path: Path
) -> None:
    env = environment(own.url, opened.keys.namespace, tmp_path)
    env |= {"PUBLIC_URL": "https://hooks.example.com", "REELQUEUE_SECRETS": ""}
    said = refused(env, "worker", "door")
    assert all("REELQUEUE_SECRETS is not set" in text for text in said.values()), said


def settings(**given: str) -> Settings:
    return Settings(_env_file=os.devnull, **given)


@pytest.mark.parametrize("fault", ["eviction", "no-persistence"])
def test_a_throw_away_store_is_allowed_by_the_name_of_its_fault_alone(
    fault: str, opened: Store
) -> None:
    spoil(opened, fault)
    other = {"eviction": "no-persistence", "no-persistence": "eviction"}[fault]
    with pytest.raises(StoreRefused, match=f"REELQUEUE_ALLOW={fault}"):
        guard.store_or_refuse(opened, settings(REELQUEUE_ALLOW=other))
    guard.store_or_refuse(opened, settings(REELQUEUE_ALLOW=f"{other}, {fault}"))


def test_a_store_that_loads_its_data_is_away_and_not_judged_by_what_it_says_of_its_aof(
    tmp_path: Path, namespace: str
) -> None:
    slowly = ("--key-load-delay", "200")  # microseconds; it looks up every thousand keys
    with StoreServer(valkey_binary(), tmp_path, *slowly) as server:
        store = Store.open(server.url, namespace)
        pipe = store.client.pipeline(transaction=False)
        for number in range(20_000):
            pipe.set(store.keys("probe"), number)
        pipe.execute()
        server.stop()
        with ThreadPoolExecutor() as side:
            started = side.submit(server.start)
            wait_until(lambda: told(store).get("loading") == 1)  # and then tells of no AOF
            with pytest.raises(StoreAway, match="loading its data"):
                list(islice(guard.of_store(store, settings()), len(guard.DEMANDS)))
            started.result()
        guard.store_or_refuse(store, settings())
        store.client.close()


def told(store: Store) -> dict[str, Any]:
    """Return what a server says of its data; nothing while it does not answer."""
    try:
        found: dict[str, Any] = store.client.info("persistence")
    except redis.ConnectionError:
        return {}
    return found


def user(opened: Store, own: StoreServer, *rules: str) -> str:
    """Make a user of the store; return the URL under which it is one."""
    opened.client.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">pass", "&*", *rules)
    return own.url.replace("//", "//limited:pass@")


def test_a_store_that_forbids_config_is_judged_by_what_info_tells(
    opened: Store, own: StoreServer
) -> None:
    opened.client.config_set("maxmemory-policy", "volatile-lru")
    url = user(opened, own, "~*", "+@all", "-config")
    limited = Store.open(url, opened.keys.namespace)
    assert any(found.refused for found in guard.of_store(limited, settings()))
    limited.client.close()


RIGHTS = {
    "info": ("~*", "+@all", "-info"),
    "fcall": ("~*", "+@all", "-fcall"),
    "function": ("~*", "+@all", "-function"),
    "a key": ("~other:*", "+@all"),
}


@pytest.mark.parametrize("lacking", RIGHTS)
def test_a_user_of_the_store_that_lacks_a_right_is_refused_and_told_what_is_needed(
    lacking: str, opened: Store, own: StoreServer, tmp_path: Path
) -> None:
    url = user(opened, own, *RIGHTS[lacking])
    names = some(list(RIGHTS).index(lacking))
    said = refused(environment(url, opened.keys.namespace, tmp_path), *names)
    for name, text in said.items():
        assert "its user lacks a right" in text, name
        assert "+@all -@dangerous +info" in text, name


def test_the_rights_that_are_told_are_enough(opened: Store, own: StoreServer) -> None:
    url = user(opened, own, "~*", "+@all", "-@dangerous", "+info")
    limited = Store.open(url, opened.keys.namespace)
    guard.store_or_refuse(limited, settings())
    guard.refuse_scriptless(limited)
    limited.marks.check("simulated", 8)
    limited.client.close()


def test_a_server_that_is_too_old_is_refused(tmp_path: Path) -> None:
    old = ("--rename-command", "FCALL", "", "--rename-command", "FUNCTION", "")
    with StoreServer(valkey_binary(), tmp_path, *old) as server:
        said = refused(environment(server.url, "old", tmp_path), *some(4))
    assert all("use Redis 7 or Valkey" in text for text in said.values()), said


def test_a_database_that_the_store_has_not_is_refused(tmp_path: Path) -> None:
    with StoreServer(valkey_binary(), tmp_path, "--databases", "1") as server:
        url = server.url.removesuffix("0") + "1"
        said = refused(environment(url, "numbered", tmp_path), *some(1))
    for name, text in said.items():
        assert "the store is refused: DB index is out of range; end REDIS_URL with" in text, name


class Protected(BaseRequestHandler):
    """Says what a server in protected mode says to who comes from another machine, and hangs up."""

    def handle(self) -> None:
        self.request.sendall(
            b"-DENIED Redis is running in protected mode because it is. In this\r\n"
        )
        self.request.recv(1)


def test_a_store_that_is_in_protected_mode_is_refused_in_the_servers_own_words(
    tmp_path: Path,
) -> None:
    with ThreadingTCPServer(("127.0.0.1", 0), Protected) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"redis://127.0.0.1:{server.server_address[1]}/0"
        said = refused(environment(url, "protected", tmp_path), *some(2))
        server.shutdown()
    for name, text in said.items():
        assert "is running in protected mode because it is; set requirepass there" in text, name


def test_keys_of_ours_and_of_the_broker_are_not_foreign(store: Store) -> None:
    batch = store.open_batch("a:b", "batch_1", 1)
    store.enqueue(batch, [("0" * 8 + "-0000-4000-8000-" + "0" * 12, 1, 1, "d", 0, b"in")])
    store.quarantine("job", "digest", b"?")
    store.nudge()
    store.probe()
    store.limits.takes_fewer("tasks", 3)
    store.client.set(store.keys("seat", "reelqueue-1@host.example"), "1")
    store.client.hset(f"{store.keys.namespace}:unacked", "tag", "1")
    assert list(guard.foreign(store)) == []


@pytest.mark.parametrize(
    ("given", "warned"),
    [
        ({"PUBLIC_URL": "http://hooks.example.com"}, "PUBLIC_URL is plain http"),
        ({"PUBLIC_URL": "https://hooks.example.com"}, ""),
        ({"PUBLIC_URL": "http://127.0.0.1:8000"}, ""),
        ({"REDIS_URL": "redis://store.example.com/0"}, "REDIS_URL has no password"),
        ({"REDIS_URL": "redis://:word@store.example.com/0"}, ""),
        ({"REDIS_URL": "redis://localhost/0"}, ""),
        ({"REDIS_URL": "unix:///run/redis.sock"}, ""),
    ],
)
def test_what_is_unwise_is_a_warning(given: dict[str, str], warned: str) -> None:
    told = list(guard.warnings(settings(**given)))
    assert [text[: len(warned)] for text in told] == ([warned] if warned else [])
    assert "word@" not in "".join(told)


@pytest.mark.parametrize(
    ("given", "warns"),
    [
        ({}, False),
        ({"REELQUEUE_HOST": "127.0.0.9"}, False),
        ({"REELQUEUE_HOST": "0.0.0.0"}, True),  # noqa: S104  nothing is bound
        ({"REELQUEUE_HOST": "0.0.0.0", "REELQUEUE_FLOWER_AUTH": "a:bcdefgh"}, False),  # noqa: S104
    ],
)
def test_a_flower_that_others_reach_without_a_password_is_warned_of(
    given: dict[str, str], *, warns: bool
) -> None:
    told = list(guard.flower_warnings(settings(**given)))
    assert [text[:25] for text in told] == ["REELQUEUE_FLOWER_AUTH is "] * warns


def test_the_doctor_warns_of_it_too(opened: Store, own: StoreServer, tmp_path: Path) -> None:
    env = environment(own.url, opened.keys.namespace, tmp_path)
    said = refused(env | {"REELQUEUE_HOST": "0.0.0.0"}, "doctor")  # noqa: S104  nothing is bound
    assert "warn  REELQUEUE_FLOWER_AUTH is not set" in said["doctor"]


@pytest.mark.parametrize("name", OF_CELERY)
def test_a_program_whose_celery_would_use_another_store_is_told(
    name: str, own: StoreServer, namespace: str, tmp_path: Path
) -> None:
    call = "from worker.app import app; app.send_task('reelqueue.text_inference')"
    env = environment(own.url, namespace, tmp_path) | {name: "redis://127.0.0.1:1"}
    done = subprocess.run(
        [sys.executable, "-c", call], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"{name} is set: Celery would use that store in place of REDIS_URL" in done.stderr


def test_the_doctor_fails_where_a_process_would_refuse_a_setting(
    opened: Store, own: StoreServer, tmp_path: Path
) -> None:
    env = environment(own.url, opened.keys.namespace, tmp_path) | {"REELQUEUE_API_TOKEN": "short"}
    said = refused(env, "doctor", "api", "up")
    assert all("REELQUEUE_API_TOKEN: the API needs" in text for text in said.values()), said


def test_the_doctor_says_which_secrets_processes_need_that_up_does_not_start(
    opened: Store, own: StoreServer, tmp_path: Path
) -> None:
    env = environment(own.url, opened.keys.namespace, tmp_path)
    said = refused(env | {"REELQUEUE_SECRETS": ""}, "doctor", "door")
    assert "warn  REELQUEUE_SECRETS is not set" in said["doctor"]
    assert "REELQUEUE_SECRETS is not set" in said["door"]


def test_up_only_falls_silent_where_a_right_is_taken_from_its_user(
    opened: Store, own: StoreServer
) -> None:
    url = user(opened, own, "~other:*", "+@all")
    given = {"REDIS_URL": url, "REELQUEUE_NAMESPACE": opened.keys.namespace}
    assert summary(load(given)) == ""
