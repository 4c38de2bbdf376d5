"""The API while its store or its clients fail: bounded, said in JSON, mended by a retry."""

import json
import resource
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from api_driver import BEARER, Api, manifest, row, told
from simulator_driver import wait_until
from store_driver import StoreServer, valkey_binary

IN_TIME = 2.0
ASKS = ("/v1/batches", "/v1/batches/films", "/v1/batches/films/results")
MANY = manifest([row(f"r{n}", note="x" * 1000) for n in range(4000)])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    with StoreServer(valkey_binary(), tmp_path_factory.mktemp("own")) as own:
        yield own


@pytest.fixture(scope="module")
def api(server: StoreServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with Api(server.url, tmp_path_factory.mktemp("api")) as running:
        running.store.marks.check("simulated", 64)
        assert running.submit("films", manifest([row("a")])).status_code == 201
        yield running


def _is_away(answer: requests.Response) -> bool:
    assert told(answer) == (503, "store_away")
    return answer.headers["Retry-After"] == "1"


def test_a_store_that_hangs_is_told_in_time_and_found_again(api: Api, server: StoreServer) -> None:
    server.send(signal.SIGSTOP)
    try:
        for path in (*ASKS, "/readyz"):
            begun = time.monotonic()
            assert _is_away(api.ask(path))
            assert time.monotonic() - begun < IN_TIME
        assert _is_away(api.submit("films", manifest([row("a")])))
        assert api.get("/healthz").status_code == 200
    finally:
        server.send(signal.SIGCONT)
    wait_until(lambda: api.ask("/v1/batches/films").status_code == 200)


def test_a_storm_while_the_store_hangs_is_answered_in_time(api: Api, server: StoreServer) -> None:
    def ask(_: int) -> tuple[int, bool]:
        begun = time.monotonic()
        status = api.ask("/v1/batches").status_code
        return status, time.monotonic() - begun < IN_TIME

    server.send(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(24) as pool:
            assert set(pool.map(ask, range(24))) == {(503, True)}
    finally:
        server.send(signal.SIGCONT)
    wait_until(lambda: api.get("/readyz").status_code == 200)


def test_a_store_that_goes_half_way_loses_no_row_of_a_manifest_sent_again(
    api: Api, server: StoreServer
) -> None:
    client = api.store.client
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(api.submit, "torn", MANY)
        wait_until(lambda: client.hget(api.store.keys("names"), "torn"), 30)
        server.send(signal.SIGKILL)  # at once: `stop` would wait until all is written
        assert _is_away(sent.result())
    server.stop()
    server.start()
    again = wait_until(
        lambda: (answer := api.submit("torn", MANY)).status_code != 503 and answer, 30
    )
    assert again.status_code in {200, 201}
    batch = again.json()
    assert (batch["status"], batch["request_counts"]["total"]) == ("in_progress", 4000)
    assert batch["added"] + batch["known"] == 4000
    assert len(api.ask("/v1/batches/torn/results").text.splitlines()) == 4000


def test_a_manifest_that_the_temporary_folder_has_no_room_for_is_told_and_taken_later(
    api: Api,
) -> None:
    # Numbers with all their digits take three times their room in the manifest.
    data = manifest([row(f"r{n}", numbers=[1.5] * 2000) for n in range(300)])
    pids = [api.process.pid, *children(api.process.pid)]
    limits = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    for pid, (_, hard) in limits.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (len(data) + 1_000_000, hard))
    full = api.submit("roomy", data)
    for pid, before in limits.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    assert told(full) == (503, "unavailable")
    assert "a temporary file cannot be written" in full.json()["error"]["message"]
    assert api.ask("/v1/batches/roomy").status_code == 404
    taken = api.submit("roomy", data)
    assert (taken.status_code, taken.json()["added"]) == (201, 300)


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    told = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in told.split()]


def test_results_that_break_off_are_seen_to_be_cut(api: Api, server: StoreServer) -> None:
    data = manifest([row(f"r{n}", note="x" * 20_000) for n in range(2000)])
    assert api.submit("long", data).status_code in {200, 201}
    with requests.get(
        f"{api.base}/v1/batches/long/results", headers=BEARER, stream=True, timeout=30
    ) as answer:
        lines = answer.iter_lines()
        assert json.loads(next(lines))["custom_id"] == "r0"
        server.stop(signal.SIGKILL)
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            list(lines)
    server.start()
    wait_until(lambda: api.get("/readyz").status_code == 200)


def test_a_full_store_takes_no_manifest_and_says_so(api: Api) -> None:
    client = api.store.client
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1)
    try:
        assert _is_away(api.submit("full", manifest([row("a")])))
    finally:
        client.config_set("maxmemory", 0)
    wait_until(lambda: api.submit("full", manifest([row("a")])).status_code == 201)


def test_a_client_that_reads_nothing_holds_up_nobody(api: Api) -> None:
    lines = ["GET /v1/batches/long/results HTTP/1.1", "Host: x"]
    head = "\r\n".join([*lines, f"Authorization: {BEARER['Authorization']}", "", ""])
    with api.connections(4) as deaf:
        for sock in deaf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.sendall(head.encode())
        wait_until(lambda: api.ask("/v1/batches").status_code == 200)  # 503: ask again
        assert len(api.ask("/v1/batches/long/results").text.splitlines()) == 2000
