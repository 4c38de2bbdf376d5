"""A program without our code, of which a worker runs; a module takes it with `pytest_plugins`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType as Plain

import pytest
from simulator_driver import wait_until
from stack_driver import Place

SUPPORT = Path(__file__).parent


@pytest.fixture(scope="module")
def plain(running: Place) -> Iterator[Plain]:
    """Give the program, of which a worker runs; it knows the store's address and no more."""
    url = (running.data / "secrets" / "redis_url").read_text(encoding="utf-8")
    env = {**os.environ, "PLAIN_STORE": url, "PYTHONPATH": str(SUPPORT)}
    argv = [sys.executable, "-W", "ignore", "-m", "celery", "-A", "plain_celery", "worker"]
    argv += ["--pool=threads", "--concurrency=2"]
    os.environ["PLAIN_STORE"] = url
    import plain_celery  # noqa: PLC0415  it reads the address as it is loaded

    worker = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: plain_celery.app.control.ping(timeout=0.5), 20)
        yield plain_celery
    finally:
        worker.terminate()
        worker.wait(15)
        del os.environ["PLAIN_STORE"]
