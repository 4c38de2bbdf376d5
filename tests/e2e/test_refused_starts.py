"""`up` that must not start: a sentence that names the setting, exit code 1, nothing left."""

import json
import signal
import socket
import time
from collections.abc import Iterator

import pytest
from simulator_driver import Simulator
from stack_driver import Place, real, up
from store_driver import StoreServer

from tasks.environment import secret_file
from tasks.installation import NAME, digest
from tasks.store import Store

NOWHERE = "redis://:canary-password@127.0.0.1:1/0"


@pytest.fixture
def taken() -> Iterator[int]:
    """Give a port on which something listens."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


def refused(place: Place, *args: str, **settings: str) -> str:
    """Run a verb that must refuse soon; returns its sentence."""
    started = time.monotonic()
    done = place.run(*args, **settings)
    assert (done.returncode, done.stdout) == (1, "")
    assert time.monotonic() - started < 30
    assert "Traceback" not in done.stderr
    assert "canary" not in done.stderr
    assert place.strays() == []
    return done.stderr


@pytest.mark.parametrize("setting", ["REELQUEUE_PORT", "REELQUEUE_FLOWER_PORT"])
def test_a_taken_port_is_told_with_its_setting(setting: str, place: Place, taken: int) -> None:
    told = refused(place, "up", **{setting: str(taken)})
    assert told == f"reelqueue: port {taken} is taken; set {setting} to a free one\n"


def test_one_port_for_two_is_told(place: Place) -> None:
    told = refused(place, "up", REELQUEUE_FLOWER_PORT=str(place.ports[0]))
    assert "REELQUEUE_PORT and REELQUEUE_FLOWER_PORT are both" in told
    token = {"REELQUEUE_API_TOKEN": "x" * 32, "REELQUEUE_API_PORT": str(place.ports[1])}
    told = refused(place, "up", **token)
    assert "REELQUEUE_FLOWER_PORT and REELQUEUE_API_PORT are both" in told


def test_a_token_that_could_be_guessed_starts_nothing(place: Place) -> None:
    assert "REELQUEUE_API_TOKEN" in refused(place, "up", REELQUEUE_API_TOKEN="guessed")
    assert place.strays() == []


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"REDIS_URL": NOWHERE}, "the store does not answer"),
        ({"REDIS_URL": "canary"}, "REDIS_URL: must be redis://"),
        ({"PUBLIC_URL": "canary"}, "PUBLIC_URL: must be"),
        ({"REELQUEUE_PORT": "http"}, "REELQUEUE_PORT: "),
        ({"REELQUEUE_HOST": "203.0.113.9"}, "REELQUEUE_HOST: this machine cannot listen"),
        ({"REELQUEUE_DATA_DIR": "/proc/nowhere"}, "the data folder /proc/nowhere cannot be used"),
        ({"RUNWARE_API_KEY_FILE": "/proc/nowhere"}, "RUNWARE_API_KEY_FILE: cannot read"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_setting_is_told_with_its_name(
    settings: dict[str, str], told: str, place: Place
) -> None:
    assert told in refused(place, "up", **settings)


@pytest.mark.parametrize("verb", [("list",), ("doctor",)])
def test_without_a_running_up_the_other_verbs_say_to_start_it(
    verb: tuple[str, ...], place: Place
) -> None:
    done = place.run(*verb)
    assert done.returncode == 1
    assert "Start `reelqueue up`" in done.stdout + done.stderr


def test_a_store_of_the_users_with_another_providers_answers_is_refused_before_any_start(
    place: Place, valkey: StoreServer, namespace: str, provider: Simulator
) -> None:
    Store.open(valkey.url, namespace).marks.check("simulated", 8)
    place.env |= {"REDIS_URL": valkey.url, "REELQUEUE_NAMESPACE": namespace}
    told = refused(place, "up", **real(provider))
    assert told.startswith("reelqueue: the store holds answers of 'simulated'")
    assert "REELQUEUE_NAMESPACE" in told
    assert provider.v1 in told


@pytest.mark.parametrize("marked", [True, False], ids=["marked", "by a version that marked none"])
def test_a_store_of_the_users_whose_installation_secret_is_missing_gets_no_new_one(
    place: Place, valkey: StoreServer, namespace: str, *, marked: bool
) -> None:
    store = Store.open(valkey.url, namespace)
    store.open_batch("clips", "batch_1", 1)
    if marked:
        store.marks.install(digest(b"the former secret, which is elsewhere"))
    place.env |= {"REDIS_URL": valkey.url, "REELQUEUE_NAMESPACE": namespace}
    told = refused(place, "up")
    file = secret_file(place.data, NAME)
    assert f"taskUUIDs is missing: {NAME} is not set and there is no {file}. With" in told
    assert "bought again. Put the former secret back" in told
    assert (
        "warn  the store is refused: the installation secret of its" in place.run("doctor").stdout
    )
    assert not file.exists()


def test_without_its_installation_secret_or_with_another_nothing_is_bought_again(
    place: Place, provider: Simulator
) -> None:
    place.env |= real(provider)
    file, other = secret_file(place.data, NAME), {NAME: "o" * 32}
    manifest = place.manifest("once", {"prompt": "bought once"}, {"prompt": "bought once, too"})
    with up(place):
        assert place.run("submit", manifest, "--watch").returncode == 0
        bought = provider.totals()["purchases"]
        for verb in (("submit", manifest), ("retry", "once", "--id", "row-0"), ("doctor",)):
            done = place.run(*verb, **other)
            assert done.returncode == 1
            assert f"is another than {NAME} gives now" in done.stdout + done.stderr
    former = file.read_text()
    file.unlink()
    assert f"is another than {NAME} gives now" in place.run("up", **other).stderr
    for verb in (("up",), ("run", manifest, "-o", "again.jsonl")):
        done = place.run(*verb)
        assert done.returncode == 1
        assert f"there is no {file}" in done.stderr
        assert not file.exists()
    file.write_text(former)
    with up(place):
        assert "0 jobs queued, 2 known before" in place.run("submit", manifest).stderr
        assert "ok    the installation secret is that of" in place.run("doctor").stdout
    assert provider.totals()["purchases"] == bought


def test_simulated_answers_say_so_everywhere_and_never_meet_real_ones(
    place: Place, provider: Simulator
) -> None:
    with up(place) as running:
        assert running.said.startswith("RUNWARE_API_KEY is not set: the provider is SIMULATED.")
        done = place.run("submit", place.manifest("free", {"prompt": "x"}), "--watch")
        assert "SIMULATED" in done.stderr
        assert place.results("free")[0]["simulated"] is True
        assert "SIMULATED" in place.run("status", "free").stdout
        args = ("submit", "free.jsonl", "--preview", "1")
        shown = place.run(*args, RUNWARE_API_KEY="x", PUBLIC_URL="https://me.example").stdout
        here = f"http://127.0.0.1:{place.ports[0]}/webhooks/runware?(token)"
        assert json.loads(shown)["webhookURL"] == here
        (place.cwd / "free.jsonl").unlink()
        assert running.stop(signal.SIGINT) == 0
    told = refused(place, "up", **real(provider)).splitlines()[-1]
    assert told.startswith("reelqueue: the store holds answers of 'simulated'")
