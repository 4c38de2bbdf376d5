"""`GET /metrics` of a running API, and what is made of it: dashboard, alerts, Prometheus itself."""

import json
import re
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from api_driver import TOKEN, Api, manifest, row, told
from core_driver import asked
from door_driver import Door, result
from prometheus_client.parser import text_string_to_metric_families
from simulator_driver import ROOT, wait_until
from store_driver import StoreServer, free_port, valkey_binary

from tasks import reading, verbs
from tasks.errors import Road
from tasks.measures import MOST_BATCHES
from tasks.tally import Tally

pytest_plugins = ("door_fixtures",)

DEPLOY = ROOT / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "reelqueue.json").read_text())
ALERTS = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]
DRAWN = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
EXPRESSIONS = [*DRAWN, *(rule["expr"] for rule in ALERTS)]
IN_TIME = 2.0
PROMTOOL, PROMETHEUS = (shutil.which(name) or name for name in ("promtool", "prometheus"))
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    with StoreServer(valkey_binary(), tmp_path_factory.mktemp("own")) as own:
        yield own


@pytest.fixture(scope="module")
def running(server: StoreServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with Api(server.url, tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture
def api(running: Api) -> Api:
    """Give the running API, its store empty."""
    running.store.client.flushall()
    running.store.marks.check("simulated", 64)
    return running


def samples(api: Api) -> Samples:
    """Scrape, and return each sample by its name and labels."""
    answer = api.ask("/metrics")
    assert answer.status_code == 200, answer.text
    families = list(text_string_to_metric_families(answer.text))
    assert families
    assert all(family.documentation and family.type != "unknown" for family in families)
    found = [sample for family in families for sample in family.samples]
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for one in found}


def value(api: Api, name: str, **labels: str) -> float:
    return samples(api)[f"reelqueue_{name}", tuple(sorted(labels.items()))]


def measure_all(api: Api) -> None:
    """Let every family have a sample: speak for a worker, about a provider."""
    tally = Tally()
    tally.answer(Road.SUBMIT, 0.3, 200)
    tally.answer(Road.POLL, 99.0, None)
    tally.errors(["providerError", "providerError", "", "no code\n", "x" * 65])
    tally.tell(api.store, "worker-1")


def test_metrics_are_told_to_who_bears_the_token_alone(api: Api) -> None:
    assert told(api.ask("/metrics", Authorization=None)) == (401, "unauthorized")
    assert told(api.ask("/metrics", Authorization="Bearer other")) == (401, "unauthorized")
    assert told(api.ask("/metrics", "POST", b"x"))[0] == 405
    assert api.ask("/metrics").headers["Content-Type"].startswith("text/plain; version=")


def test_an_empty_store_has_all_states_and_nobody_who_works(api: Api) -> None:
    first = samples(api)
    assert first["reelqueue_jobs", (("state", "queued"),)] == 0
    assert value(api, "leader") == value(api, "workers") == value(api, "poll_lag_seconds") == 0
    assert value(api, "callbacks_total", outcome="accepted") == 0


def test_jobs_batches_and_window_are_those_of_the_store(api: Api) -> None:
    assert api.submit("films", manifest([row("a"), row("b"), row("c")])).status_code == 201
    api.store.claim(2, 7200.0, "", "", 3600)
    verbs.hold(api.store, "*", "lunch")
    assert value(api, "jobs", state="queued") == 1
    assert value(api, "jobs", state="submitting") == 2
    assert value(api, "batch_jobs", batch="films", state="queued") == 1
    assert value(api, "batch_age_seconds", batch="films") >= 0
    window, free = value(api, "window_slots"), value(api, "window_free")
    assert (window, free, value(api, "window_in_flight")) == (64, 62, 2)
    assert value(api, "pauses", by="user", scope="all") == 1
    assert value(api, "pauses", by="provider", scope="all") == 0
    api.store.pause("*", "the key", 60.0)
    assert value(api, "pauses", by="provider", scope="all") == 1
    assert value(api, "pauses", by="provider", scope="batch") == 0


def test_what_is_late_and_what_it_cost_is_told(api: Api) -> None:
    client, keys, now = api.store.client, api.store.keys, api.store.now()
    client.zadd(keys("due"), {"a": now - 90_000, "b": now + 90_000})
    client.xadd(keys("ends"), {"job": "a", "to": "failed"}, id=f"{now - 70_000}-0")
    client.hincrby(keys("counts"), "cost", 1_500_000_000)
    client.hincrby(keys("counts"), "parked", 2)
    client.set(keys("leader"), "w")
    assert 90 <= value(api, "poll_lag_seconds") < 120
    assert 70 <= value(api, "oldest_unsettled_seconds") < 100
    assert value(api, "cost_usd_total") == 1.5
    assert value(api, "parked_jobs") == 2
    assert value(api, "leader") == 1


def test_open_batches_are_told_one_by_one_up_to_a_bound_and_ended_ones_not_at_all(api: Api) -> None:
    for n in range(MOST_BATCHES + 10):
        api.store.open_batch(f"batch-{n}", str(uuid.uuid4()), 1)
    ended = api.store.open_batch("ended", str(uuid.uuid4()), 1)
    api.store.client.hset(api.store.keys("batch", ended), "done", 1)
    found = samples(api)
    ages = [labels for name, labels in found if name == "reelqueue_batch_age_seconds"]
    assert len(ages) == MOST_BATCHES
    assert found["reelqueue_open_batches", ()] == MOST_BATCHES + 10
    assert not any(("batch", "ended") in labels for _, labels in found)


def test_jobs_that_wait_for_the_user_are_not_among_those_that_are_to_move(api: Api) -> None:
    store = api.store
    assert value(api, "movable_jobs") == 0
    for name in ("held", "limited", "free"):
        assert api.submit(name, manifest([row("a"), row("b")])).status_code == 201
    assert value(api, "movable_jobs") == 6
    batches = {one.name: one.id for one in reading.batches(store)}
    store.budget(batches["limited"], 1, 2)  # nano-dollars, and what its inputs cost at most
    claim = store.claim(3, 7200.0, "", "", 3600)
    lost = claim.jobs[0].id
    assert value(api, "jobs", state="submitting") == 3
    verbs.hold(store, batches["held"], "lunch")
    in_held = value(api, "batch_jobs", batch="held", state="queued")
    assert value(api, "movable_jobs") == 6 - 2 - in_held
    with store.moves() as moves:
        moves.lose(lost, claim.token, "", "no answer")
    with store.moves() as moves:
        moves.park(asked(store, lost), 600, ("unresolved", "never found"))
    assert value(api, "parked_jobs") == 1
    assert value(api, "movable_jobs") == 6 - 2 - in_held - 1


def test_counts_of_the_provider_add_up_over_processes_and_bound_its_words(api: Api) -> None:
    measure_all(api)
    measure_all(api)
    name = "provider_request_duration_seconds"
    assert value(api, f"{name}_bucket", road="submit", le="0.25") == 0
    assert value(api, f"{name}_bucket", road="submit", le="0.5") == 2
    assert value(api, f"{name}_bucket", road="poll", le="20.0") == 0
    assert value(api, f"{name}_count", road="poll") == 2
    assert value(api, f"{name}_sum", road="submit") == 0.6
    assert value(api, "provider_answers_total", road="submit", status="200") == 2
    assert value(api, "provider_answers_total", road="poll", status="none") == 2
    assert value(api, "provider_errors_total", code="providerError") == 4
    assert value(api, "provider_errors_total", code="other") == 4
    assert value(api, "workers") == 1
    tally = Tally()
    tally.errors(f"strange{n}" for n in range(600))
    tally.tell(api.store, "")
    assert sum(name == "reelqueue_provider_errors_total" for name, _ in samples(api)) < 520


def test_a_worker_that_says_nothing_any_more_is_not_counted(api: Api) -> None:
    api.store.client.zadd(api.store.keys("workers"), {"dead": api.store.now() - 60_000})
    assert value(api, "workers") == 0
    measure_all(api)
    assert value(api, "workers") == 1


def test_a_store_that_is_away_is_said_in_time_and_found_again(
    api: Api, server: StoreServer
) -> None:
    server.send(signal.SIGSTOP)
    try:
        begun = time.monotonic()
        assert told(api.ask("/metrics")) == (503, "store_away")
        assert time.monotonic() - begun < IN_TIME
    finally:
        server.send(signal.SIGCONT)
    wait_until(lambda: api.ask("/metrics").status_code == 200)


def test_the_door_counts_what_it_did_with_each_delivery(
    own_door: Callable[..., Door], tmp_path: Path
) -> None:
    with own_door() as door:
        job, other = door.job(2), door.job()
        for body in (result(job), result(job), b"no JSON", result(other)):
            door.post(job, body)
        door.post(job, result(job), query="k=forged")
        door.post(job, b"x", headers={"Content-Encoding": "gzip"})
        url = door.store.client.connection_pool.connection_kwargs
        env = {"REELQUEUE_NAMESPACE": door.namespace}
        store = f"redis://{url['host']}:{url['port']}/0"
        _await_counts(store, tmp_path, env)


def _await_counts(store: str, folder: Path, env: dict[str, str]) -> None:
    with Api(store, folder, env=env) as api:
        outcomes = ("accepted", "duplicate", "quarantined", "foreign", "unauthenticated", "encoded")

        def counted() -> list[float]:
            return [value(api, "callbacks_total", outcome=one) for one in outcomes]

        wait_until(lambda: sum(counted()) == 6)
        assert counted() == [1] * 6


def test_what_was_counted_while_a_right_was_lacking_is_told_once_it_is_given_back(
    tmp_path: Path,
) -> None:
    with StoreServer(valkey_binary(), tmp_path) as server, Door(server.url, tmp_path) as door:
        change = door.store.client.execute_command
        change("ACL", "SETUSER", "default", "-fcall")
        door.post(str(uuid.uuid4()), b"{}", query="k=forged")
        wait_until(lambda: any(entry["count"] > 1 for entry in door.store.client.acl_log()))
        change("ACL", "SETUSER", "default", "+fcall")
        measured, counted = door.store.keys("measured"), "callback:unauthenticated"
        wait_until(lambda: door.store.client.hget(measured, counted) == b"1", 10)
        wait_until(lambda: "counts.told" in door.log.read_text())
        said = [line for line in door.log.read_text().splitlines() if "counts." in line]
    kept, told_ = (json.loads(line) for line in said)
    assert kept["reason"].startswith("the store is refused: its user lacks a right")
    assert told_["level"] == "info"


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:reelqueue|flower)_\w+", expression))


def test_every_metric_that_is_drawn_or_watched_is_told(api: Api) -> None:
    measure_all(api)
    api.submit("films", manifest([row("a")]))
    flower = (Path(__import__("flower").__file__).parent / "events.py").read_text()
    there = {name for name, _ in samples(api)}
    there |= {f"{name}_bucket" for name in re.findall(r"['\"](flower_\w+)['\"]", flower)}
    told_of = set().union(*map(names_in, EXPRESSIONS))
    assert told_of - there == set()
    assert len(told_of) > 15


def test_every_panel_has_a_place_and_asks_the_source_that_is_provisioned() -> None:
    source = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text()
    )["datasources"][0]
    panels = DASHBOARD["panels"]
    assert {panel["datasource"]["uid"] for panel in panels} == {source["uid"]}
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    assert len({(place["x"], place["y"]) for place in places}) == len(panels)
    assert all(place["x"] + place["w"] <= 24 for place in places)


def test_every_alert_says_what_to_do_and_how_grave_it_is() -> None:
    assert all(rule["annotations"]["summary"] for rule in ALERTS)
    assert {rule["labels"]["severity"] for rule in ALERTS} == {"critical", "warning"}


@pytest.mark.needs("promtool", "prometheus")
def test_the_alerts_fire_when_they_should_and_only_then() -> None:
    done = subprocess.run(
        [PROMTOOL, "test", "rules", str(Path(__file__).with_name("alerts.test.yml"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.needs("prometheus", "prometheus")
def test_prometheus_scrapes_with_the_configuration_as_written_and_understands_each_panel(
    api: Api, tmp_path: Path
) -> None:
    measure_all(api)
    shutil.copy(DEPLOY / "alerts.yml", tmp_path)
    (tmp_path / "token").write_text(TOKEN)
    text = (DEPLOY / "prometheus.yml").read_text()
    for written, here in (
        ("api:8001", f"127.0.0.1:{api.port}"),
        ("/run/secrets/api_token", str(tmp_path / "token")),
        ("15s", "1s"),
        ("5s", "1s"),
    ):
        assert written in text
        text = text.replace(written, here)
    (tmp_path / "prometheus.yml").write_text(text)
    own = f"127.0.0.1:{free_port()}"
    argv = [PROMETHEUS, f"--config.file={tmp_path}/prometheus.yml"]
    argv += [f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address={own}"]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as running:
        try:
            wait_until(lambda: _ask(own, 'up{job="reelqueue"} == 1') != [], 30)
            for expression in EXPRESSIONS:
                _ask(own, expression)
            wait_until(lambda: "ReelqueueNoWorker" in _alerts(own))
        finally:
            running.terminate()


def _ask(address: str, query: str) -> list[Any]:
    try:
        url = f"http://{address}/api/v1/query"
        answer = requests.get(url, params={"query": query}, timeout=5)
    except requests.ConnectionError:
        return []
    if answer.status_code == 503:  # it is still starting
        return []
    assert answer.json()["status"] == "success", (query, answer.text)
    result: list[Any] = answer.json()["data"]["result"]
    return result


def _alerts(address: str) -> set[str]:
    found = requests.get(f"http://{address}/api/v1/alerts", timeout=5).json()["data"]["alerts"]
    return {alert["labels"]["alertname"] for alert in found}
