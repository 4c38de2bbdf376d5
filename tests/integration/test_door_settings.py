"""What the door needs to start, and how its keys are changed."""

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from door_driver import Door, result
from simulator_driver import ROOT
from store_driver import StoreServer, free_port

from tasks.token import Keyring, new_keys, parse_keys


def test_a_key_rotated_in_is_taken_beside_the_old_one_until_that_is_dropped(
    valkey: StoreServer, tmp_path: Path
) -> None:
    new, old = f"k2:{new_keys().split(':')[1]}", new_keys()
    with Door(valkey.url, tmp_path, env={"REELQUEUE_SECRETS": f"{new},{old}"}) as door:
        door.keyring = Keyring(door.namespace, parse_keys(f"{new},{old}"))
        job, expiry = door.job(), int(time.time()) + 99
        for kid in ("k1", "k2"):
            assert door.post(job, result(job), query=door.keyring.query(kid, job, expiry)).ok
        dropped = Keyring(door.namespace, parse_keys(new_keys())).query("k1", job, expiry)
        assert door.post(job, result(job), query=dropped).status_code == 401


def test_it_lives_without_a_store_and_is_not_ready(tmp_path: Path) -> None:
    with Door(f"redis://127.0.0.1:{free_port()}/0", tmp_path) as door:
        assert door.get("/healthz").text == "ok\n"
        assert door.get("/readyz").status_code == 503
        job = str(uuid.uuid4())
        assert door.post(job, result(job)).status_code == 503
        assert door.post(job, result(job), query="t=x").status_code == 401  # asks no store


@pytest.mark.parametrize(
    "wrong",
    [
        {"REELQUEUE_SECRETS": ""},
        {"REELQUEUE_SECRETS": "k1:c2VzYW1l"},
        {"REDIS_URL": "redis://:sesame/open@127.0.0.1/0"},
        {"REELQUEUE_PORT": "sesame"},
    ],
)
def test_a_wrong_setting_is_one_sentence_without_its_value(
    tmp_path: Path, wrong: dict[str, str]
) -> None:
    right = {"REELQUEUE_SECRETS": new_keys(), "REDIS_URL": "redis://127.0.0.1:1/0"}
    fixed = {"REELQUEUE_ENV_FILE": os.devnull, "REELQUEUE_DATA_DIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-m", "webhooks"],
        cwd=ROOT,
        env=fixed | right | wrong,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("webhooks: ")
    assert ended.stderr.count("\n") == 1
    assert "sesame" not in ended.stderr
    assert "c2VzYW1l" not in ended.stderr
