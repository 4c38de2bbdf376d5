"""What a machine, and others on it, do to `up`, verbs and store: each ends with a sentence."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from simulator_driver import ROOT
from stack_driver import COMMAND, Place
from store_driver import StoreServer, free_port, valkey_binary
from supervise_driver import ENV

from console import orphan
from console.main import main
from console.ready import FILES
from console.running import Stop, run_with
from console.stack import Stack
from console.supervise import Child
from tasks.connection import connect
from tasks.errors import Error, StoreAway
from tasks.keys import KINDS, NAMES
from tasks.store import Store


def store_alone(folder: Path) -> Stack:
    argv = [
        valkey_binary(),
        "--port",
        str(free_port()),
        "--dir",
        str(folder),
        "--appendonly",
        "yes",
    ]
    child = Child("store", [*argv, "--loglevel", "warning"], ENV, lambda: False)
    return Stack([child], "", None, simulated=True)


@pytest.mark.parametrize("rubbish", [bytes(4096), b"\xff" * 300, b"XX\r\n" * 9])
def test_a_history_that_ends_in_rubbish_is_told_with_the_byte_at_which_to_cut_it(
    tmp_path: Path, rubbish: bytes
) -> None:
    folder = tmp_path / "the data" / "store"
    folder.mkdir(parents=True)
    with StoreServer(valkey_binary(), folder) as server:
        connect(server.url, 5).set("kept", "well")
        server.stop()
        (file,) = folder.rglob("*.incr.aof")
        whole = file.stat().st_size
        file.write_bytes(file.read_bytes() + rubbish)

        with pytest.raises(Error, match="store ended") as told:
            run_with(store_alone(folder), folder.parent, Stop(), lambda _: 0, None)

        assert f"{file} is damaged from byte {whole:,} on" in str(told.value)
        (cut,) = re.findall(r"`(truncate .*?)`", str(told.value))
        subprocess.run(["/bin/sh", "-c", cut], check=True)
        server.start()
        assert connect(server.url, 5).get("kept") == b"well"


# Values of others


@pytest.fixture
def env(store_server: StoreServer, namespace: str) -> dict[str, str]:
    return {"REDIS_URL": store_server.url, "REELQUEUE_NAMESPACE": namespace}


def run(env: dict[str, str], *args: str) -> Result:
    done = CliRunner(env=env).invoke(main, args)
    assert isinstance(done.exception, SystemExit)
    return done


def test_the_kinds_of_keys_are_those_of_all_that_there_is_one_of() -> None:
    single = sorted(name for name, pattern in NAMES.items() if "{" not in pattern)
    assert sorted(name for names in KINDS.values() for name in names) == single


@pytest.mark.parametrize("name", [name for names in KINDS.values() for name in names])
def test_the_doctor_names_a_key_of_ours_that_holds_something_of_another_kind(
    store: Store, env: dict[str, str], name: str
) -> None:
    key = store.keys(name)
    if name in KINDS["string"]:
        store.client.rpush(key, "mine")
    else:
        store.client.set(key, "mine")
    done = run(env, "doctor")
    assert done.exit_code == 1
    assert f"FAIL  {key} holds a " in done.stdout or f"FAIL  {key!r} is no key" in done.stdout


@pytest.mark.parametrize(
    ("name", "verb"),
    [
        ("batches", ("list",)),
        ("names", ("status", "clips")),
        ("names", ("results", "clips")),
        ("names", ("watch", "clips", "--once")),
    ],
)
def test_a_verb_ends_with_what_the_store_said_of_it(
    store: Store, env: dict[str, str], name: str, verb: tuple[str, ...]
) -> None:
    store.client.set(store.keys(name), "mine")
    done = run(env, *verb)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("reelqueue: the store answered: WRONGTYPE")
    assert "`reelqueue doctor`" in done.stderr


# Limits


def test_a_store_that_takes_no_more_connections_is_told_in_its_own_words(
    tmp_path: Path, namespace: str
) -> None:
    with StoreServer(valkey_binary(), tmp_path, "--maxclients", "2") as server:
        held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(2)]
        with pytest.raises(StoreAway, match="no more connections: max number of clients reached"):
            Store.open(server.url, namespace).now()
        done = run({"REDIS_URL": server.url, "REELQUEUE_NAMESPACE": namespace}, "list")
        for each in held:
            each.close()
    assert "max number of clients reached" in done.stderr
    assert "is it running there" not in done.stderr


def in_a_shell(line: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    argv = ["/bin/sh", "-c", line]
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def test_up_refuses_to_start_where_too_few_files_may_be_open(tmp_path: Path) -> None:
    done = in_a_shell(f"ulimit -n 64; exec {COMMAND} up", Place(tmp_path).env)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"only 64 files may be open at a time (ulimit -n), and {FILES} are" in done.stderr


def test_a_limit_that_we_may_raise_is_raised() -> None:
    code = "from console import ready as r; r.check_files(); print(r.resource.getrlimit(7)[0])"
    done = in_a_shell(f"ulimit -Sn 64; exec {sys.executable} -c '{code}'", dict(os.environ))
    assert (done.stdout, done.stderr) == (f"{FILES}\n", "")


def test_a_limit_of_a_files_size_kills_no_child() -> None:
    child = orphan.spawn(["grep", "SigIgn", "/proc/self/status"], ENV)
    ignored = int(child.communicate(timeout=20)[0].split()[1], 16)
    assert ignored >> (signal.SIGXFSZ - 1) & 1
    assert not ignored >> (signal.SIGPIPE - 1) & 1


# Files


@pytest.mark.parametrize("rows", [[1, 2], {"a": 3}, 7, "torn", [{"pid": 1}], [[]]])
def test_a_record_of_children_that_is_none_is_none(tmp_path: Path, rows: object) -> None:
    (tmp_path / "children.json").write_text(json.dumps(rows))
    assert orphan.end_leftovers(tmp_path) == []
    assert not (tmp_path / "children.json").exists()


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_secret_of_ups_own_that_gives_none_is_told_with_the_fix(
    tmp_path: Path, *, is_folder: bool
) -> None:
    file = tmp_path / "secrets" / "redis_url"
    file.mkdir(parents=True) if is_folder else file.parent.mkdir()
    if not is_folder:
        file.touch()
    done = run({"REELQUEUE_DATA_DIR": str(tmp_path)}, "list")
    assert f"{file}" in done.stderr
    assert done.stderr.endswith("; remove it: `reelqueue up` writes it anew\n")


def test_a_disk_that_is_full_is_told_in_words(env: dict[str, str], store: Store) -> None:
    store.marks.check("simulated", 1)
    settings = os.environ | env
    done = in_a_shell(f"exec {COMMAND} doctor >/dev/full", settings)
    assert done.returncode == 1
    assert "reelqueue: No space left on device" in done.stderr
