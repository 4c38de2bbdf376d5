"""Where settings come from: overrides, the environment, `.env`, generated secrets, in order."""

import os
from pathlib import Path

import pytest

from tasks.environment import frozen, origin, secret_file, store_is_given
from tasks.errors import ConfigurationError
from tasks.settings import isolate, load, names


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a `.env` file that is read, and an empty data folder."""
    file = tmp_path / ".env"
    file.write_text("")
    monkeypatch.setenv("REELQUEUE_ENV_FILE", str(file))
    monkeypatch.setenv("REELQUEUE_DATA_DIR", str(tmp_path / "data"))
    return file


def key() -> str | None:
    secret = load().api_key
    return secret.get_secret_value() if secret else None


def test_the_env_file_is_read(env: Path) -> None:
    env.write_text("REELQUEUE_PORT=8123\nRUNWARE_API_KEY='rw-1'\n")
    assert (load().port, key()) == (8123, "rw-1")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"REELQUEUE_PORT=8123\nRUNWARE_API_KEY='hush\n", "line 2: is no NAME=value"),
        (b"RUNWARE_API_KEY hush\n", "line 1: is no NAME=value"),
        (b"# der Schl\xfcssel\nRUNWARE_API_KEY=hush\n", "is not UTF-8 text"),
        ("RUNWARE_API_KEY=hush\n".encode("utf-16"), "is not UTF-8 text"),
    ],
)
def test_an_env_file_that_cannot_be_read_whole_is_refused_and_no_setting_of_it_dropped(
    env: Path, text: bytes, told: str
) -> None:
    env.write_bytes(text)
    with pytest.raises(ConfigurationError) as caught:
        load()
    assert str(env) in str(caught.value)
    assert told in str(caught.value)
    assert "hush" not in str(caught.value)


def test_an_env_file_that_is_named_must_be_there(env: Path) -> None:
    env.unlink()
    with pytest.raises(ConfigurationError, match=r"REELQUEUE_ENV_FILE: there is no file"):
        load()
    env.mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        load()


def test_the_environment_comes_before_the_env_file(
    env: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.write_text("REELQUEUE_PORT=8123\n")
    monkeypatch.setenv("REELQUEUE_PORT", "8124")
    assert load().port == 8124
    assert load({"REELQUEUE_PORT": 8125}).port == 8125


def test_a_secret_of_the_environment_comes_before_one_of_the_env_file_be_it_in_a_file_or_not(
    env: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = env.with_name("ours"), env.with_name("theirs")
    ours.write_text("rw-file\n")
    theirs.write_text("rw-dotenv-file\n")
    env.write_text(f"RUNWARE_API_KEY_FILE={theirs}\n")
    assert key() == "rw-dotenv-file"
    env.write_text(f"RUNWARE_API_KEY_FILE={theirs}\nRUNWARE_API_KEY=rw-dotenv\n")
    assert key() == "rw-dotenv"
    monkeypatch.setenv("RUNWARE_API_KEY_FILE", str(ours))
    assert key() == "rw-file"
    assert origin("RUNWARE_API_KEY", given=True) == "secret file"
    monkeypatch.setenv("RUNWARE_API_KEY", "rw-env")
    assert key() == "rw-env"


def test_a_child_gets_the_secret_that_its_parent_reads(
    env: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = env.with_name("url")
    file.write_text("redis://file\n")
    env.write_text("REDIS_URL=redis://dotenv\n")
    monkeypatch.setenv("REDIS_URL_FILE", str(file))
    assert load().store_url() == "redis://file"
    childs = frozen(names())
    assert (childs.get("REDIS_URL"), childs["REDIS_URL_FILE"]) == (None, str(file))


def test_a_secret_that_was_generated_comes_last(env: Path) -> None:
    file = secret_file(env.with_name("data"), "REDIS_URL")
    file.parent.mkdir(parents=True)
    file.write_text("redis://generated")
    env.write_text("REDIS_URL=redis://dotenv\n")
    assert load().store_url() == "redis://dotenv"


def test_the_env_file_may_name_a_secret_file(env: Path) -> None:
    file = env.with_name("key")
    file.write_text("rw-file")
    env.write_text(f"RUNWARE_API_KEY_FILE={file}\n")
    assert key() == "rw-file"


def test_an_empty_value_is_none_at_all(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = env.with_name("key")
    file.write_text("rw-file")
    env.write_text(f"REELQUEUE_PORT=8123\nRUNWARE_API_KEY_FILE={file}\n")
    for name in ("REELQUEUE_PORT", "RUNWARE_API_KEY", "RUNWARE_API_KEY_FILE", "PUBLIC_URL"):
        monkeypatch.setenv(name, "")
    assert (load().port, key(), load().public_url) == (8123, "rw-file", None)


def test_a_secret_that_was_generated_is_found_in_the_data_folder(env: Path) -> None:
    file = secret_file(env.with_name("data"), "REDIS_URL")
    file.parent.mkdir(parents=True)
    file.write_text("redis://:pw@127.0.0.1:1/0\n")
    assert load().store_url() == "redis://:pw@127.0.0.1:1/0"
    assert not store_is_given()


def test_the_data_folder_of_an_override_is_the_one_searched(env: Path) -> None:
    elsewhere = env.with_name("elsewhere")
    file = secret_file(elsewhere, "REDIS_URL")
    file.parent.mkdir(parents=True)
    file.write_text("redis://elsewhere")
    assert load({"REELQUEUE_DATA_DIR": elsewhere}).store_url() == "redis://elsewhere"


@pytest.fixture
def elsewhere(env: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in another folder than that of `.env`, with a home of one's own; returns the folder."""
    for name in ("home", "cwd"):
        (env.parent / name).mkdir()
    monkeypatch.setenv("HOME", str(env.parent / "home"))
    monkeypatch.delenv("REELQUEUE_DATA_DIR")
    monkeypatch.chdir(env.parent / "cwd")
    return env.parent / "cwd"


@pytest.mark.usefixtures("elsewhere")
def test_a_path_in_the_env_file_is_relative_to_its_folder(env: Path) -> None:
    file = secret_file(env.parent / "own" / "data", "REDIS_URL")
    file.parent.mkdir(parents=True)
    file.write_text("redis://own")
    (env.parent / "key").write_text("rw-file")
    env.write_text("REELQUEUE_DATA_DIR=own/data\nRUNWARE_API_KEY_FILE=key\n")
    assert load().data_dir == env.parent / "own" / "data"
    assert (load().store_url(), key()) == ("redis://own", "rw-file")
    child = frozen(names())
    assert child["REELQUEUE_DATA_DIR"] == str(env.parent / "own" / "data")
    assert child["RUNWARE_API_KEY_FILE"] == str(env.parent / "key")


def test_a_path_in_the_environment_is_relative_to_the_working_folder(
    env: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.write_text("REELQUEUE_DATA_DIR=own\nRUNWARE_API_KEY_FILE=nowhere\n")
    (elsewhere / "key").write_text("rw-here")
    monkeypatch.setenv("REELQUEUE_DATA_DIR", "mine")
    monkeypatch.setenv("RUNWARE_API_KEY_FILE", "key")
    assert load().data_dir.absolute() == elsewhere / "mine"
    assert key() == "rw-here"


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("place", ["environment", "env file", "override"])
def test_a_tilde_is_the_users_home_wherever_it_stands(
    place: str, env: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = env.parent / "home" / "rq"
    secret_file(data, "REDIS_URL").parent.mkdir(parents=True)
    secret_file(data, "REDIS_URL").write_text("redis://home")
    (data / "key").write_text("rw-home")
    given = {"REELQUEUE_DATA_DIR": "~/rq", "RUNWARE_API_KEY_FILE": "~/rq/key"}
    if place == "env file":
        env.write_text("".join(f"{name}={value}\n" for name, value in given.items()))
    else:
        monkeypatch.setenv("RUNWARE_API_KEY_FILE", "~/rq/key")
    if place == "environment":
        monkeypatch.setenv("REELQUEUE_DATA_DIR", "~/rq")
    settings = load({"REELQUEUE_DATA_DIR": "~/rq"} if place == "override" else None)
    assert (settings.data_dir, settings.store_url()) == (data, "redis://home")
    assert key() == "rw-home"


@pytest.mark.usefixtures("env")
def test_the_home_of_nobody_is_told_with_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELQUEUE_DATA_DIR", "~no-such-user/rq")
    with pytest.raises(ConfigurationError, match="REELQUEUE_DATA_DIR: there is no such home"):
        load()
    monkeypatch.setenv("REELQUEUE_DATA_DIR", "rq")
    monkeypatch.setenv("RUNWARE_API_KEY_FILE", "~no-such-user/key")
    with pytest.raises(ConfigurationError, match="RUNWARE_API_KEY_FILE: there is no such home"):
        load()


def test_the_key_of_the_service_is_never_taken_from_the_data_folder(env: Path) -> None:
    file = secret_file(env.with_name("data"), "RUNWARE_API_KEY")
    file.parent.mkdir(parents=True)
    file.write_text("rw-left-behind")
    assert key() is None


@pytest.mark.parametrize(
    ("content", "told"), [(None, "cannot read"), (b" \n", "is empty"), (b"hush\xff", "not UTF-8")]
)
def test_a_secret_file_that_gives_none_is_an_error_that_names_it(
    env: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, told: str
) -> None:
    file = env.with_name("key")
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("RUNWARE_API_KEY_FILE", str(file))
    with pytest.raises(ConfigurationError, match=rf"RUNWARE_API_KEY_FILE.*{told}") as caught:
        load()
    assert "hush" not in str(caught.value)
    assert "0xff" not in str(caught.value)


def test_a_wrong_value_of_the_environment_is_told_by_name(
    env: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.write_text("RUNWARE_API_KEY='hush hush'\n")
    monkeypatch.setenv("REELQUEUE_PORT", "hush")
    with pytest.raises(ConfigurationError) as caught:
        load()
    assert "RUNWARE_API_KEY: must be visible ASCII" in str(caught.value)
    assert "REELQUEUE_PORT: " in str(caught.value)
    assert "hush" not in str(caught.value)


def test_the_origin_of_a_value_is_told(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert origin("REELQUEUE_PORT", given=False) == "default"
    env.write_text("REELQUEUE_PORT=8123\n")
    assert origin("REELQUEUE_PORT", given=True) == str(env)
    monkeypatch.setenv("REELQUEUE_PORT", "8124")
    assert origin("REELQUEUE_PORT", given=True) == "environment"
    assert origin("REDIS_URL", given=True) == "secret file"


@pytest.mark.parametrize("line", ["REDIS_URL=redis://h", "REDIS_URL_FILE=/run/redis-url"])
def test_a_store_is_given_by_its_url_or_by_a_file_with_it(env: Path, line: str) -> None:
    assert not store_is_given()
    env.write_text(f"{line}\n")
    assert store_is_given()


def test_an_isolated_process_knows_nothing_of_the_users_settings(
    env: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.write_text("REELQUEUE_PORT=8123\n")
    for name in names():
        monkeypatch.setenv(name, "/nowhere")
    isolate({"REELQUEUE_NAMESPACE": "demo"})
    assert load().model_dump() == load({"REELQUEUE_NAMESPACE": "demo"}).model_dump()
    assert (load().port, load().api_key) == (8000, None)
    assert os.environ["REELQUEUE_ENV_FILE"] == os.devnull
