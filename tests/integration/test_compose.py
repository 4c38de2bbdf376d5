import fcntl
import json
import os
import pty
import re
import shlex
import shutil
import socket
import subprocess
import sys
import termios
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
import redis
import requests
import yaml
from compose_driver import COMPOSE, ROOT, SERVICES, Deployment
from simulator_driver import wait_until

OURS = ("webhooks", "api", "worker", "flower", "simulator", "command")


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    with ExitStack() as stack:
        yield Deployment(tmp_path, stack)


def test_the_file_is_what_compose_reads() -> None:
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    ended = subprocess.run([*checker, "docker-compose.yml"], cwd=ROOT, check=False)
    assert ended.returncode == 0


def test_only_the_proxy_listens_to_the_world_and_the_store_to_nobody_outside() -> None:
    published = {name: service.get("ports", []) for name, service in SERVICES.items()}
    assert published.pop("proxy") == ["80:80", "443:443"]
    assert not published["redis"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    assert SERVICES["redis"]["networks"] == ["store"]
    assert COMPOSE["networks"]["store"]["internal"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_is_bounded_and_cannot_write_its_own_image(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    assert service["mem_limit"]
    assert service["cap_drop"] == ["ALL"]
    assert service["pids_limit"]
    assert service["logging"]["options"]["max-size"]
    assert service["restart"] == ("no" if name == "command" else "unless-stopped")
    assert ("healthcheck" in service) == (name != "command")


@pytest.mark.parametrize("name", sorted(set(SERVICES) - set(OURS)))
def test_what_others_made_is_named_to_the_last_version(name: str) -> None:
    assert re.search(r":v?\d+\.\d+\.\d+(-\w+)?$", SERVICES[name]["image"])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_secret_stands_in_an_environment(name: str) -> None:
    words = re.compile(r"KEY|SECRET|PASSWORD|AUTH|TOKEN|REDIS_URL")
    plain = [key for key in SERVICES[name].get("environment", {}) if words.search(key)]
    assert all(key.endswith("_FILE") for key in plain)
    given = set(SERVICES[name].get("secrets", []))
    assert given <= set(COMPOSE["secrets"])
    files = " ".join(map(str, SERVICES[name].get("environment", {}).values()))
    for volume in SERVICES[name].get("volumes", []):
        mounted = ROOT / volume.split(":")[0]
        files += mounted.read_text() if mounted.is_file() else ""
    read = set(re.findall(r"/run/secrets/(\w+)", f"{files} {SERVICES[name].get('command')}"))
    assert given == read  # each is given what it reads, and nothing else


def test_what_answers_the_world_has_no_key_of_the_provider() -> None:
    for name in ("proxy", "webhooks", "api"):
        assert "runware_api_key" not in SERVICES[name].get("secrets", [])


def mounted_files() -> list[str]:
    volumes = [v for service in SERVICES.values() for v in service.get("volumes", [])]
    return [volume.split(":")[0] for volume in volumes if volume.startswith("./")]


_secrets = shutil.ignore_patterns("secrets")


def hide(folder: Path) -> None:
    """Give a folder's files to their owner alone, as a checkout under umask 077 has them."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode & 0o700)


def is_readable_by_all(path: Path) -> bool:
    """Whether any user can read a file, or a folder with all that is in it."""
    found = [path, *path.rglob("*")]
    wanted = [0o005 if each.is_dir() else 0o004 for each in found]
    return all(each.stat().st_mode & bits == bits for each, bits in zip(found, wanted, strict=True))


def test_every_file_that_is_mounted_exists_and_what_is_yaml_can_be_read() -> None:
    assert mounted_files()
    assert all((ROOT / path).exists() for path in mounted_files())
    assert all(yaml.safe_load(path.read_text()) for path in (ROOT / "deploy").rglob("*.yml"))


def test_secrets_are_made_once_and_hidden_by_their_folder(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "deploy", tmp_path, dirs_exist_ok=True, ignore=_secrets)
    hide(tmp_path)
    made = []
    for key in ("first", "second"):
        subprocess.run(
            [str(tmp_path / "make-secrets")],
            env={"PATH": os.environ["PATH"], "RUNWARE_API_KEY": key},
            check=True,
            capture_output=True,
        )
        made.append({p.name: p.read_text() for p in (tmp_path / "secrets").iterdir()})
    assert made[0] == made[1]
    assert set(made[0]) == set(COMPOSE["secrets"])
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    for path in (path.removeprefix("./deploy/") for path in mounted_files()):
        assert is_readable_by_all(tmp_path / path)


@pytest.mark.parametrize(("piped", "code"), [("a key", 0), ("a key\n", 0), ("", 1)])
def test_a_key_is_taken_from_a_pipe_and_none_is_told(piped: str, code: int, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "deploy", tmp_path, dirs_exist_ok=True, ignore=_secrets)
    done = subprocess.run(
        [str(tmp_path / "make-secrets")],
        env={"PATH": os.environ["PATH"]},
        input=piped,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == code
    assert ("no key given" in done.stderr) == (code == 1)
    key = tmp_path / "secrets" / "runware_api_key"
    assert (key.read_text() if key.exists() else "") == piped.strip()


def test_ctrl_c_at_the_question_for_the_key_leaves_a_terminal_that_echoes(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "deploy", tmp_path, dirs_exist_ok=True, ignore=_secrets)
    outer, inner = pty.openpty()
    asking = subprocess.Popen(
        [str(tmp_path / "make-secrets")],
        env={"PATH": os.environ["PATH"]},
        stdin=inner,
        stderr=inner,
        start_new_session=True,
        # So that Ctrl-C reaches it; nothing else runs in this process between fork and exec.
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
    )
    wait_until(lambda: not echoes(inner))
    os.write(outer, b"\x03")
    assert asking.wait(10) == 130
    assert echoes(inner)
    os.close(inner)
    os.close(outer)


def echoes(terminal: int) -> bool:
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)


@pytest.mark.needs("redis-server", "redis-server")
def test_what_a_stop_of_the_store_signals_is_redis_itself(deployment: Deployment) -> None:
    pid = deployment.start("redis")
    wait_until(lambda: deployment.healthy("redis"))
    url = (deployment.secrets / "redis_url").read_text()
    with redis.Redis.from_url(url) as store:
        assert store.info("server")["process_id"] == pid
        assert store.config_get("save") == {"save": ""}


@pytest.mark.needs("redis-server", "redis-server")
def test_every_service_of_ours_runs_as_written_and_a_batch_goes_through_them(
    deployment: Deployment,
    reelqueue: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    deployment.start("redis")
    wait_until(lambda: deployment.healthy("redis"))
    for name in ("simulator", "webhooks", "api", "worker", "flower"):
        deployment.start(name)
    wait_until(lambda: deployment.healthy("webhooks"), 30)
    wait_until(lambda: deployment.healthy("api"), 30)
    manifest = tmp_path / "two.jsonl"
    row = '{"custom_id": "%s", "video": "https://x.test/a.mp4", "prompt": "What happens?"}\n'
    manifest.write_text(row % "a" + row % "b")
    assert SERVICES["command"]["entrypoint"] == ["reelqueue"]
    environment = deployment.environment("command")
    ended = reelqueue("submit", str(manifest), "--watch", env=environment)
    assert ended.returncode == 0, ended.stderr
    assert "2 ok" in ended.stderr
    api = f"http://127.0.0.1:{deployment.ports['api']}/v1/batches"
    headers = {"Authorization": f"Bearer {(deployment.secrets / 'api_token').read_text()}"}
    typed = {**headers, "Content-Type": "text/plain"}
    sent = requests.post(f"{api}?name=three", manifest.read_bytes(), headers=typed, timeout=10)
    assert (sent.status_code, sent.json()["added"]) == (201, 2)

    def results() -> requests.Response:
        return requests.get(f"{api}/three/results", headers=headers, timeout=10)

    wait_until(lambda: results().headers["X-Batch-Complete"] == "true", 30)
    assert [json.loads(line)["state"] for line in results().text.splitlines()] == ["completed"] * 2
    assert reelqueue("status", "three", env=environment).returncode == 0  # one journal, one store
    for name in ("simulator", "flower", "worker"):
        wait_until(lambda name=name: deployment.healthy(name), 30)


def test_a_simulator_that_holds_all_the_answers_it_can_stays_within_its_limit(
    deployment: Deployment,
) -> None:
    pid = deployment.start("simulator")
    wait_until(lambda: deployment.healthy("simulator"))
    address = ("127.0.0.1", deployment.ports["simulator"])

    def threads_of_all_it_can_hold() -> int:
        with ExitStack() as stack:
            connect = partial(socket.create_connection, address, 20)
            senders = [stack.enter_context(connect()) for _ in range(300)]
            for sender in senders:
                sender.sendall(held_task())
            assert all(sender.recv(1000).startswith(b"HTTP/1.1 200") for sender in senders)
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return sum(len([*Path(f"/proc/{one}/task").iterdir()]) for one in (pid, *workers))

    # Where requests come slowly, one thread may serve two; it keeps what it has.
    most = wait_until(lambda: (n := threads_of_all_it_can_hold()) > 256 and n, 30)
    assert most < SERVICES["simulator"]["pids_limit"]


def held_task() -> bytes:
    """Return a request that is answered a second later."""
    said = {"role": "user", "content": "[[sim: latency=1]]"}
    task = {"taskType": "textInference", "taskUUID": str(uuid.uuid4()), "messages": [said]}
    body = json.dumps([task | {"model": "google:gemini@3.1-pro"}])
    head = f"Host: simulator\r\nAuthorization: Bearer k\r\nContent-Length: {len(body)}"
    return f"POST /v1 HTTP/1.1\r\n{head}\r\n\r\n{body}".encode()


def test_what_takes_manifests_has_room_for_a_million_ids_on_disk() -> None:
    steps = (ROOT / "Dockerfile").read_text().splitlines()
    (folder,) = {re.findall(r"SQLITE_TMPDIR=(\S+)", step)[0] for step in steps if "SQLITE" in step}
    for name in ("api", "command"):
        assert [v for v in SERVICES[name]["volumes"] if re.fullmatch(f"[a-z]+:{folder}", v)]


def test_the_steps_of_the_image_make_a_command_in_a_clean_folder(tmp_path: Path) -> None:
    """Run COPY and RUN in order, as the builder would; only the user of the system is not made."""
    app, venv = tmp_path / "app", tmp_path / "venv"
    app.mkdir()
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    steps = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    for step in (line.split("#")[0] for line in steps):
        kind, _, rest = step.partition(" ")
        if kind == "COPY":
            *sources, target = shlex.split(rest)
            assert {f"!{source}" for source in sources} <= set(ignored)
            _copy(sources, app / target, many=len(sources) > 1)
            hide(app)
        if kind == "RUN":
            ours = rest.split("&& useradd")[0].replace("/venv", str(venv))
            path = f"{venv}/bin:{os.environ['PATH']}"
            done = subprocess.run(
                ["/bin/sh", "-ec", ours],
                cwd=app,
                env={**os.environ, "PATH": path, "PIP_QUIET": "1", "PIP_NO_COMPILE": "1"},
                check=False,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
    helped = subprocess.run([str(venv / "bin" / "reelqueue"), "--help"], cwd="/", check=False)
    assert helped.returncode == 0
    table = (
        "from pyarrow import parquet, table; parquet.write_table(table({'a': ['b']}), 'a.parquet')"
    )
    python = [str(venv / "bin/python"), "-c"]
    assert not subprocess.run([*python, table], cwd=tmp_path, check=False).returncode
    assert is_readable_by_all(app)  # the user of the image is not who builds it
    modules = [SERVICES[name]["command"][2] for name in OURS if "-m" in SERVICES[name]["command"]]
    find = f"import importlib.util as u; assert all(u.find_spec(m) for m in {modules})"
    assert not subprocess.run([*python, find], cwd="/", check=False).returncode


def _copy(sources: list[str], target: Path, *, many: bool) -> None:
    for source in sources:
        place = target / Path(source).name if many else target
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, place)
