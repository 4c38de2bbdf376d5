"""The one file that reads the environment, the checkout's `.env` and the secret files.

Every secret may stand in NAME, in a file named by NAME_FILE, or, for those that `reelqueue up`
generates, in the data folder. README.md has the table.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from tasks.errors import ConfigurationError

SECRETS = (
    "RUNWARE_API_KEY",
    "REDIS_URL",
    "REELQUEUE_SECRETS",
    "REELQUEUE_INSTALLATION_SECRET",
    "REELQUEUE_FLOWER_AUTH",
    "REELQUEUE_API_TOKEN",
)
"""Settings that may come from a file, and that are never printed."""

GENERATED = frozenset({"REDIS_URL", "REELQUEUE_SECRETS", "REELQUEUE_INSTALLATION_SECRET"})
"""Secrets that `up` writes below the data folder where the user gave none."""

_ANEW = {
    "REDIS_URL": "; remove it: `reelqueue up` writes it anew",
    "REELQUEUE_SECRETS": "; put its backup back, or remove it: `reelqueue up` makes new keys, and "
    "what the old ones let in is polled for",
    "REELQUEUE_INSTALLATION_SECRET": "; put its backup back",
}
"""What to do about one of them that cannot be used."""

OF_CELERY = (
    *("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"),
    "CELERY_RESULT_BACKEND",
)
"""With these Celery itself would use another store than ours, past all that ours is checked for."""

OF_ITS_COMMAND = (
    *("APP", "BROKER_URL", "RESULT_BACKEND", "LOADER", "CONFIG_MODULE", "CELERY_LOADER"),
    *("SKIP_CHECKS", "NO_COLOR"),  # no word of these that it does not know lets it start
)
"""What its command line reads beside them, whoever they were meant for."""

PATHS = frozenset({"REELQUEUE_DATA_DIR", *(f"{name}_FILE" for name in SECRETS)})
"""What names files and folders: relative to `.env` in that, else to the working folder."""

CHECKOUT = Path(__file__).resolve().parent.parent
DEFAULT_DATA_DIR = CHECKOUT / ".reelqueue"


def env_file() -> Path:
    """Return the `.env` to read: the checkout's, or what REELQUEUE_ENV_FILE names instead."""
    return Path(os.environ.get("REELQUEUE_ENV_FILE") or CHECKOUT / ".env")


def refuse_unreadable() -> None:
    """See that all of the `.env` is settings: of a line that is none, the setting would be unset.

    Raises:
        ConfigurationError: it is no such file, or REELQUEUE_ENV_FILE names one that is not there.
    """
    file = env_file()
    try:
        with file.open(encoding="utf-8") as stream:
            wrong = [line.original.line for line in parse_stream(stream) if line.error]
    except FileNotFoundError:
        if os.environ.get("REELQUEUE_ENV_FILE"):
            raise ConfigurationError(f"REELQUEUE_ENV_FILE: there is no file {file}") from None
        return
    except OSError as exc:
        raise ConfigurationError(f"{file}: cannot be read: {exc.strerror}") from None
    except ValueError:  # its text would quote a byte of a secret
        raise ConfigurationError(f"{file}: is not UTF-8 text; save it as UTF-8") from None
    if wrong:
        raise ConfigurationError(
            f"{file}, line {wrong[0]}: is no NAME=value; a quote that opens a value must close it"
        )


def expanded(name: str, path: str | Path) -> Path:
    """Return the path that setting `name` has, a `~` in front as the home of its user.

    Raises:
        ConfigurationError: there is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ConfigurationError(f"{name}: there is no such home: {path}") from None


def _written() -> dict[str, str | None]:
    """Return what stands in `.env`, relative paths as they are meant there."""
    file = env_file()
    folder = file.absolute().parent
    return {
        name: str(folder / expanded(name, value)) if value and name in PATHS else value
        for name, value in dotenv_values(file).items()
    }


def origin(name: str, *, given: bool) -> str:
    """Return where a setting's value came from, in words."""
    if os.environ.get(name):
        return "environment"
    if _of_env_file().get(name):
        return str(env_file())
    return "secret file" if given else "default"


def store_is_given() -> bool:
    """Whether the user names a store; else one is kept in the data folder."""
    given = _given()
    return bool(given.get("REDIS_URL") or given.get("REDIS_URL_FILE"))


def of_celery() -> str:
    """Return the first setting of Celery's own that would lead it to another store, or ''."""
    return next(filter(os.environ.get, OF_CELERY), "")


def without_celery() -> None:
    """Forget what Celery would read itself, in a process of ours: only our settings decide."""
    for name in (*OF_CELERY, *OF_ITS_COMMAND):
        os.environ.pop(name, None)


def inherited() -> dict[str, str]:
    """Return a copy of this process's environment, for a child."""
    return dict(os.environ)


def frozen(names: Iterable[str]) -> dict[str, str]:
    """Return a copy of this process's environment, for a child, with these settings as they are.

    The child reads no `.env`: by the time it is restarted, that may have been edited. One that did
    would sign with keys that its siblings do not know, or die of a typo.
    """
    given = _given()
    known = {name: given[name] for name in names if name in given}
    return {**os.environ, **known, "REELQUEUE_ENV_FILE": os.devnull}


def _given() -> dict[str, str]:
    """Return `.env` overridden by the environment; in both an empty value counts as unset."""
    return _of_env_file() | {name: value for name, value in os.environ.items() if value}


def _of_env_file() -> dict[str, str]:
    """Return what `.env` says, but for secrets of which the environment names a file."""
    return {
        name: value
        for name, value in _written().items()
        if value and not (name in SECRETS and os.environ.get(f"{name}_FILE"))
    }


class WrittenPaths(PydanticBaseSettingsSource):
    """Paths from `.env`, which are relative to it."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Unused: the source answers for all fields at once."""
        return None, field.alias or field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return those of settings; where secrets stand `SecretFiles` finds itself."""
        path = _written().get("REELQUEUE_DATA_DIR")
        return {"REELQUEUE_DATA_DIR": path} if path else {}


class SecretFiles(PydanticBaseSettingsSource):
    """Secrets from NAME_FILE, or from where `up` generated them in the data folder.

    It comes before `.env`, and leaves to that the secrets which stand there and count.
    """

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Unused: the source answers for all fields at once."""
        return None, field.alias or field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the secrets that neither an earlier source nor `.env` gives."""
        files = _given()
        given = {**files, **self.current_state}
        data_dir = data_dir_of(given)
        paths = {
            name: _secret_path(name, files, data_dir) for name in SECRETS if not given.get(name)
        }
        return {
            name: _read(name, path, "" if files.get(f"{name}_FILE") else _ANEW[name])
            for name, path in paths.items()
            if path
        }


def data_dir_of(given: Mapping[str, Any]) -> Path:
    """Return the data folder by settings as they are written."""
    return expanded("REELQUEUE_DATA_DIR", given.get("REELQUEUE_DATA_DIR") or DEFAULT_DATA_DIR)


def _secret_path(name: str, given: Mapping[str, Any], data_dir: Path) -> Path | None:
    if given.get(f"{name}_FILE"):
        return expanded(f"{name}_FILE", given[f"{name}_FILE"])
    generated = secret_file(data_dir, name)
    return generated if name in GENERATED and generated.exists() else None


def _read(name: str, path: Path, fix: str) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as exc:
        raise ConfigurationError(f"{name}_FILE: cannot read {path}: {exc.strerror}{fix}") from exc
    except ValueError:  # its text would quote a byte of the secret
        raise ConfigurationError(f"{name}_FILE: {path} is not UTF-8 text{fix}") from None
    if not text:
        raise ConfigurationError(f"{name}_FILE: {path} is empty{fix}")
    return text


def secret_file(data_dir: Path, name: str) -> Path:
    """Return where a generated secret stands: `<data>/secrets/redis_url` and so on."""
    return data_dir / "secrets" / name.lower()


def simulator_file(data_dir: Path) -> Path:
    """Return where `up` says under which address the simulator is that it runs."""
    return data_dir / "simulator.url"
