"""The settings: defaults, limits, and that no secret is ever shown."""

import base64
from pathlib import Path

import pytest

from tasks.environment import SECRETS
from tasks.errors import ConfigurationError
from tasks.settings import Settings, load, names
from worker.ticks import SEATS

KEYS = f"k1:{base64.b64encode(bytes(32)).decode()}"


def refusal(name: str, value: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load({name: value})
    assert name in str(caught.value)
    return str(caught.value)


def test_the_defaults_are_those_of_the_design(tmp_path: Path) -> None:
    settings = load({"REELQUEUE_DATA_DIR": tmp_path})
    assert settings.base_url == "https://api.runware.ai/v1"
    assert (settings.host, settings.port, settings.flower_port) == ("127.0.0.1", 8000, 5555)
    assert (settings.namespace, settings.max_attempts) == ("reelqueue", 3)
    assert (settings.deadline, settings.resolve_after) == (7200, 120)
    assert (settings.api_key, settings.redis_url, settings.public_url) == (None, None, None)
    assert settings.simulated is False


def test_a_host_of_ipv6_stands_in_brackets_where_a_port_follows() -> None:
    assert load().listening(8000) == "127.0.0.1:8000"
    assert load({"REELQUEUE_HOST": "::1"}).listening(8000) == "[::1]:8000"


def test_polling_is_the_safety_net_of_callbacks_and_everything_without_them() -> None:
    assert load().callback_url is None
    assert load().first_poll == 1.0
    public = load({"PUBLIC_URL": "https://me.example/base/"})
    assert public.callback_url == "https://me.example/base/webhooks/runware"
    assert public.first_poll == 20.0
    assert load({"REELQUEUE_POLL_FIRST": "0.5"}).first_poll == 0.5


def test_answers_of_the_simulator_and_of_two_addresses_are_told_apart() -> None:
    other = load({"RUNWARE_BASE_URL": "http://127.0.0.1:9/v1"})
    simulated = load({"REELQUEUE_SIMULATED": True})
    marks = {load().provider_mark, other.provider_mark, simulated.provider_mark}
    assert marks == {"runware https://api.runware.ai/v1", "runware http://127.0.0.1:9/v1"} | {
        "simulated"
    }


NUMBERS = [
    *(("REELQUEUE_PORT", bad) for bad in ("0", "65536", "http", "8000.5")),
    *(("REELQUEUE_FLOWER_PORT", bad) for bad in ("0", "-1")),
    *(("REELQUEUE_MAX_ATTEMPTS", bad) for bad in ("0", "21", "many")),
    *(("REELQUEUE_DEADLINE", bad) for bad in ("0", "-5", "inf", "nan", "1e300", "2h")),
    *(("REELQUEUE_RESOLVE_AFTER", bad) for bad in ("0", "inf")),
    *(("REELQUEUE_POLL_FIRST", bad) for bad in ("0", "inf")),
    *(("REELQUEUE_POLL_MAX", bad) for bad in ("0", "nan")),
    *(("REELQUEUE_TASKS_PER_POST", bad) for bad in ("0", "101")),
    *(("REELQUEUE_UUIDS_PER_POLL", bad) for bad in ("0", "101")),
    *(("REELQUEUE_BYTES_PER_POST", "999"), ("REELQUEUE_WINDOW_START", "0")),
    *(("REELQUEUE_WINDOW_MAX", "0"), ("REELQUEUE_WORKER_THREADS", "257")),
    *(("REELQUEUE_SIMULATED", "perhaps"),),
    *(("REELQUEUE_NAMESPACE", bad) for bad in ("Upper", "a b", "a:b", "a|b", "x" * 33, "a\n")),
]


@pytest.mark.parametrize(("name", "value"), NUMBERS)
def test_a_value_outside_its_limits_is_refused_by_name(name: str, value: str) -> None:
    refusal(name, value)


def test_a_worker_has_a_thread_for_each_seat_and_one_for_calls() -> None:
    least = sum(SEATS.values()) + 1
    assert load({"REELQUEUE_WORKER_THREADS": least})
    refusal("REELQUEUE_WORKER_THREADS", least - 1)


@pytest.mark.parametrize("name", ["RUNWARE_BASE_URL", "PUBLIC_URL"])
@pytest.mark.parametrize(
    "value",
    [
        *("api.runware.ai/v1", "ftp://a.example", "https://", "https://:80/x", "http://[::1"),
        *("https://a.example/?x=1", "https://a.example/?", "https://a.example/#x"),
        *("https://me:hunter2@a.example", "https://a.example/b c", "https://a.example/\nb"),
        *("https://a.example:99999/v1", "https://a.example:port/v1"),
    ],
)
def test_an_address_must_be_a_plain_http_url(name: str, value: str) -> None:
    assert "hunter2" not in refusal(name, value)


@pytest.mark.parametrize("key", ["rw secret", "rw-secret\nX-Evil: 1", "rw-sécret", " rw-secret"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(key: str) -> None:
    assert "cret" not in refusal("RUNWARE_API_KEY", key).removeprefix("RUNWARE_API_KEY")


@pytest.mark.parametrize("value", ["ann", "ann:", ":hush", "ann:hüsh", "änn:hush", "ann:hu\tsh"])
def test_a_login_that_flower_cannot_compare_is_refused_unseen(value: str) -> None:
    assert "sh" not in refusal("REELQUEUE_FLOWER_AUTH", value).removeprefix("REELQUEUE_FLOWER_AUTH")
    assert load({"REELQUEUE_FLOWER_AUTH": 'ann b:hu sh,"@:%41'})


def test_all_wrong_settings_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load({"REELQUEUE_PORT": "x", "REELQUEUE_DEADLINE": "y"})
    assert "REELQUEUE_PORT" in str(caught.value)
    assert "REELQUEUE_DEADLINE" in str(caught.value)


def test_no_secret_stands_in_the_settings_text() -> None:
    values = {name: f"hush-{number}" for number, name in enumerate(SECRETS)}
    shaped = {"REDIS_URL": "redis://:hush@127.0.0.1:6379/0", "REELQUEUE_FLOWER_AUTH": "ann:hush"}
    settings = load(values | shaped)
    for text in (repr(settings), str(settings), f"{settings.model_dump()}"):
        assert "hush" not in text


@pytest.mark.parametrize(
    "url",
    [
        *("hello", "http://h", "redis://:hush/open@h/0", "redis://h:x/0"),
        *("redis://:hush@h/jobs", "rediss://:hush@h/-1", "redis://:hush@h/0/1"),
    ],
)
def test_a_store_url_that_is_none_is_refused_without_quoting_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="REDIS_URL: must be redis://") as caught:
        load({"REDIS_URL": url})
    assert "hush" not in str(caught.value)


def test_a_missing_secret_is_told_with_its_fix(tmp_path: Path) -> None:
    settings = load({"REELQUEUE_DATA_DIR": tmp_path})
    for ask in (settings.store_url, settings.keyring, settings.id_secret):
        with pytest.raises(ConfigurationError, match="reelqueue up"):
            ask()


def test_secrets_are_what_they_were_given_as() -> None:
    given = {"REDIS_URL": "redis://:pw@h", "REELQUEUE_SECRETS": KEYS, "REELQUEUE_NAMESPACE": "n1"}
    settings = load(given | {"REELQUEUE_INSTALLATION_SECRET": "f" * 32})
    assert settings.store_url() == "redis://:pw@h"
    assert settings.id_secret() == b"f" * 32
    assert (settings.keyring().namespace, settings.keyring().keys) == ("n1", {"k1": bytes(32)})


def test_an_installation_secret_that_is_too_short_is_refused_unseen() -> None:
    with pytest.raises(ConfigurationError, match="32 characters are the least") as caught:
        load({"REELQUEUE_INSTALLATION_SECRET": "hunter2"}).id_secret()
    assert "hunter2" not in str(caught.value)


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().port = 1  # type: ignore[misc]


def test_every_setting_is_known_by_its_name_in_the_environment() -> None:
    aliases = {str(field.alias) for field in Settings.model_fields.values()}
    assert names() == aliases | {f"{name}_FILE" for name in SECRETS}


@pytest.mark.parametrize(("told", "seconds"), [("1h", 3600), ("30d", 2_592_000), ("90m", 5400)])
def test_a_retention_is_a_number_with_its_unit(told: str, seconds: float) -> None:
    assert load({"REELQUEUE_RETENTION": told}).retention == seconds


@pytest.mark.parametrize("told", ["30", "d", "-1d", "1.5h", "59m", "0s", "1w", "30 d", "\uff11h"])
def test_a_retention_that_is_none_or_too_short_is_refused(told: str) -> None:
    with pytest.raises(ConfigurationError, match="REELQUEUE_RETENTION: must be"):
        load({"REELQUEUE_RETENTION": told})
