"""What all tests share: a shell without settings, real stores, the simulator, and NOT RUN."""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from simulator_driver import Receiver, Simulator
from store_driver import StoreServer, redis_binary, valkey_binary

from tasks.settings import names
from tasks.store import Store

# The gate tries the same examples each time; HYPOTHESIS_PROFILE=explore looks for new ones.
for profile, examples in (("gate", 60), ("explore", 2_000)):
    settings.register_profile(
        profile,
        max_examples=examples,
        derandomize=profile == "gate",
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))

NOT_RUN = pytest.StashKey[list[str]]()
STORES = ("valkey", pytest.param("redis", marks=pytest.mark.needs("redis-server", "redis-server")))
"""The kinds of store that are supported."""


def pytest_configure(config: pytest.Config) -> None:
    config.stash[NOT_RUN] = []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what needs a store on each kind, unless its file says that one will do."""
    is_for_one = metafunc.definition.get_closest_marker("one_store")
    if "store_server" in metafunc.fixturenames and not is_for_one:
        metafunc.parametrize("store_server", STORES, indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out checks whose program is missing, and remember to say so."""
    kept, left = [], []
    for item in items:
        marks = [mark.args for mark in item.iter_markers("needs") if not shutil.which(mark.args[0])]
        (left if marks else kept).append(item)
        config.stash[NOT_RUN] += [
            f"NOT RUN {item.nodeid}: needs {program} (Debian: apt install {package})"
            for program, package in marks
        ]
    items[:] = kept
    config.hook.pytest_deselected(items=left)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for line in config.stash[NOT_RUN]:
        terminalreporter.write_line(line, yellow=True)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401  xdist is untyped
    """Hear of what a process of the suite (`-n`) left out; each collects all tests."""
    node.config.stash[NOT_RUN] = getattr(node, "workeroutput", {}).get("not_run", [])


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """With REELQUEUE_TEST_ALL, a check that did not run fails the gate."""
    not_run = session.config.stash[NOT_RUN]
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["not_run"] = not_run
    elif exitstatus == 0 and os.environ.get("REELQUEUE_TEST_ALL") and not_run:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_user() -> Iterator[None]:
    """Run with neither the shell's nor the checkout's settings."""
    with pytest.MonkeyPatch.context() as patch:
        for name in names():
            patch.delenv(name, raising=False)
        patch.setenv("REELQUEUE_ENV_FILE", os.devnull)
        yield


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """Give the embedded default store."""
    with StoreServer(valkey_binary(), tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def store_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StoreServer]:
    """Give each store that is supported, in turn; under `one_store` the embedded one alone."""
    if getattr(request, "param", "valkey") == "valkey":
        yield request.getfixturevalue("valkey")
        return
    with StoreServer(redis_binary(), tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def namespace() -> str:
    """Give a namespace no other test uses."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def store(store_server: StoreServer, namespace: str) -> Iterator[Store]:
    """Give an empty, marked store."""
    opened = Store.open(store_server.url, namespace)
    opened.marks.check("simulated", 8)
    yield opened
    opened.client.close()


@pytest.fixture(scope="session")
def shared_process() -> Iterator[Simulator]:
    running = Simulator("--latency", "0")
    yield running
    running.stop()


@pytest.fixture
def simulator(shared_process: Simulator) -> Simulator:
    """Give a simulator that remembers nothing and finishes tasks at once."""
    shared_process.reset()
    return shared_process


@pytest.fixture
def start() -> Iterator[Callable[..., Simulator]]:
    """Start simulators of one's own, ended with the test."""
    started: list[Simulator] = []

    def start_one(*flags: str, env: dict[str, str] | None = None) -> Simulator:
        started.append(Simulator(*flags, env=env))
        return started[-1]

    yield start_one
    for one in started:
        if one.process.poll() is None:
            one.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    listening = Receiver()
    yield listening
    listening.close()


@pytest.fixture(scope="session")
def reelqueue() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command to its end; its output is text."""
    program = Path(sys.executable).with_name("reelqueue")

    def run(
        *args: str, env: dict[str, str] | None = None, timeout: float = 60, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(program), *args],
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
        )

    return run
