"""The one file that reads the environment, the checkout's `.env` and the secret files.

Every secret may stand in NAME, in a file named by NAME_FILE, or, for those that `reelqueue up`
generates, in the data folder. README.md has the table.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from redis.connection import parse_url

from tasks.errors import ConfigurationError
from tasks.token import Keyring, parse_keys

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


ALLOWABLE = ("eviction", "no-persistence")
"""What a throw-away store may do that loses records, by its name in REELQUEUE_ALLOW."""

NAMESPACE = "reelqueue"
"""REELQUEUE_NAMESPACE where it is not set."""

LEAST_TOKEN = 32
"""Characters of REELQUEUE_API_TOKEN: 128 bits in hexadecimal."""

CHECKOUT = Path(__file__).resolve().parent.parent
DEFAULT_DATA_DIR = CHECKOUT / ".reelqueue"


def env_file() -> Path:
    """Return the `.env` to read: the checkout's, or what REELQUEUE_ENV_FILE names instead."""
    return Path(os.environ.get("REELQUEUE_ENV_FILE") or CHECKOUT / ".env")


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or set("?#") & set(value):
        raise ValueError("must be an http(s) URL without query")
    if "@" in parts.netloc:  # a URL is shown and stored; no password may stand in it
        raise ValueError("must be an http(s) URL without user and password")
    if " " in value or not value.isprintable():
        raise ValueError("must be an http(s) URL without spaces or control characters")
    return value.rstrip("/")


def _header(value: SecretStr) -> SecretStr:
    # http.client quotes a header that it refuses, the key in it, in its error.
    if not _VISIBLE.fullmatch(value.get_secret_value()):
        raise ValueError("must be visible ASCII characters, without spaces or line ends")
    return value


def _store_url(value: SecretStr) -> SecretStr:
    try:
        parse_store_url(value.get_secret_value())
    except (ValueError, TypeError):  # its text quotes the URL, and the URL holds a password
        raise ValueError(
            "must be redis://:PASSWORD@HOST:PORT/0, rediss://... for TLS or unix://..., special "
            "characters of the password written as %XX"
        ) from None
    return value


parse_store_url: Callable[[str], dict[str, Any]] = parse_url  # redis-py leaves it untyped
_VISIBLE = re.compile(r"[!-~]+")
HttpUrl = Annotated[str, AfterValidator(_http_url)]
HeaderSecret = Annotated[SecretStr, AfterValidator(_header)]
StoreUrl = Annotated[SecretStr, AfterValidator(_store_url)]
DURATION = r"[0-9]{1,9}[smhd]"
"""A whole number of seconds, minutes, hours or days."""
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def seconds_of(text: str) -> float:
    """Return the seconds of a DURATION."""
    return int(text[:-1]) * _UNITS[text[-1]]


def _retention(value: object) -> float:
    if not isinstance(value, str) or not re.fullmatch(DURATION, value, re.ASCII):
        raise ValueError("must be a number and s, m, h or d, for example 30d")
    if seconds_of(value) < _UNITS["h"]:
        raise ValueError("must be an hour at least")
    return seconds_of(value)


def _allowed(value: str) -> str:
    unknown = {name.strip() for name in value.split(",")} - {"", *ALLOWABLE}
    if unknown:
        raise ValueError(f"must be a list of {', '.join(ALLOWABLE)}, with commas between")
    return value


Allowed = Annotated[str, AfterValidator(_allowed)]
Retention = Annotated[float, BeforeValidator(_retention)]
Seconds = Annotated[float, Field(gt=0, le=366 * 86_400, allow_inf_nan=False)]


def _named(name: str, default: Any = None, **limits: Any) -> Any:  # noqa: ANN401  as Field itself
    return Field(default, alias=name, **limits)


class Settings(BaseSettings):
    """All settings of all processes, frozen. Durations are seconds, sizes bytes."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, case_sensitive=True
    )

    api_key: HeaderSecret | None = _named("RUNWARE_API_KEY")
    base_url: HttpUrl = _named("RUNWARE_BASE_URL", "https://api.runware.ai/v1")
    redis_url: StoreUrl | None = _named("REDIS_URL")
    public_url: HttpUrl | None = _named("PUBLIC_URL")
    secrets: SecretStr | None = _named("REELQUEUE_SECRETS")
    installation_secret: SecretStr | None = _named("REELQUEUE_INSTALLATION_SECRET")
    flower_auth: SecretStr | None = _named("REELQUEUE_FLOWER_AUTH")
    api_token: HeaderSecret | None = _named("REELQUEUE_API_TOKEN")
    data_dir: Path = _named("REELQUEUE_DATA_DIR", DEFAULT_DATA_DIR)
    namespace: str = _named("REELQUEUE_NAMESPACE", NAMESPACE, pattern=r"^[a-z0-9_-]{1,32}$")
    host: str = _named("REELQUEUE_HOST", "127.0.0.1")
    port: int = _named("REELQUEUE_PORT", 8000, ge=1, le=65535)
    flower_port: int = _named("REELQUEUE_FLOWER_PORT", 5555, ge=1, le=65535)
    api_port: int = _named("REELQUEUE_API_PORT", 8001, ge=1, le=65535)
    simulated: bool = _named("REELQUEUE_SIMULATED", default=False)
    max_attempts: int = _named("REELQUEUE_MAX_ATTEMPTS", 3, ge=1, le=20)
    deadline: Seconds = _named("REELQUEUE_DEADLINE", 7200.0)
    resolve_after: Seconds = _named("REELQUEUE_RESOLVE_AFTER", 120.0)
    window_start: int = _named("REELQUEUE_WINDOW_START", 8, ge=1)
    window_max: int = _named("REELQUEUE_WINDOW_MAX", 10_000, ge=1)
    tasks_per_post: int = _named("REELQUEUE_TASKS_PER_POST", 50, ge=1, le=100)
    bytes_per_post: int = _named("REELQUEUE_BYTES_PER_POST", 8_000_000, ge=1000)
    uuids_per_poll: int = _named("REELQUEUE_UUIDS_PER_POLL", 100, ge=1, le=100)
    poll_first: Seconds | None = _named("REELQUEUE_POLL_FIRST")
    poll_max: Seconds = _named("REELQUEUE_POLL_MAX", 30.0)
    uploads: int = _named("REELQUEUE_UPLOADS", 4, ge=1, le=64)
    retention: Retention | None = _named("REELQUEUE_RETENTION")
    workers: int = _named("REELQUEUE_WORKER_THREADS", 24, ge=2, le=256)
    allow: Allowed = _named("REELQUEUE_ALLOW", "")
    flask_debug: str = _named("FLASK_DEBUG", "")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read overrides, then the environment, then `.env`, then secret files."""
        del file_secret_settings  # one folder for all secrets; ours are named one by one
        return init_settings, env_settings, dotenv_settings, SecretFiles(settings_cls)

    @property
    def first_poll(self) -> float:
        """When a task is first polled: with callbacks polling is only the safety net."""
        return self.poll_first or (20.0 if self.callback_url else 1.0)

    @property
    def allowed(self) -> frozenset[str]:
        """Which of ALLOWABLE the user puts up with."""
        return frozenset(filter(None, (name.strip() for name in self.allow.split(","))))

    @property
    def debugging(self) -> bool:
        """Whether Flask would start in debug mode, which shows tracebacks to who asks."""
        return self.flask_debug.lower() not in {"", "0", "false", "no"}

    @property
    def callback_url(self) -> str | None:
        """Where the provider is asked to deliver results; None without a public URL."""
        return f"{self.public_url}/webhooks/runware" if self.public_url else None

    @property
    def provider_mark(self) -> str:
        """What the store is marked with, so that two providers' answers never meet in it."""
        return "simulated" if self.simulated else f"runware {self.base_url}"

    def store_url(self) -> str:
        """Return the store's URL, password included: never print it.

        Raises:
            ConfigurationError: where neither REDIS_URL nor a running `up` provides one.
        """
        if self.redis_url is None:
            raise ConfigurationError(
                "No store: nothing is running here, and REDIS_URL is not set. Start `reelqueue up`."
            )
        return self.redis_url.get_secret_value()

    def keyring(self) -> Keyring:
        """Return the keys that sign and verify callback tokens."""
        return Keyring(self.namespace, parse_keys(_revealed(self.secrets, "REELQUEUE_SECRETS")))

    def id_secret(self) -> bytes:
        """Return the installation secret that ids are derived from."""
        text = _revealed(self.installation_secret, "REELQUEUE_INSTALLATION_SECRET")
        if len(text) < 32:  # noqa: PLR2004  128 bits in hexadecimal
            raise ConfigurationError("REELQUEUE_INSTALLATION_SECRET: 32 characters are the least")
        return text.encode()

    def bearer(self) -> str:
        """Return the token that requests to the HTTP API bear.

        Raises:
            ConfigurationError: there is none, or it is short enough to be guessed.
        """
        text = self.api_token.get_secret_value() if self.api_token else ""
        if len(text) < LEAST_TOKEN:
            raise ConfigurationError(
                f"REELQUEUE_API_TOKEN: the API needs a secret of {LEAST_TOKEN} characters or more; "
                "`openssl rand -hex 32` makes one"
            )
        return text


def _revealed(secret: SecretStr | None, name: str) -> str:
    if secret is None:
        raise ConfigurationError(
            f"{name} is not set; `reelqueue up` generates it in the data folder"
        )
    return secret.get_secret_value()


def load(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings; `overrides` by environment name come first.

    Raises:
        ConfigurationError: naming each wrong setting, without its value.
    """
    try:
        return Settings(_env_file=env_file(), **(overrides or {}))
    except ValidationError as exc:
        raise ConfigurationError(_told(exc)) from None


def names() -> frozenset[str]:
    """Return every environment name that is read, secret files included."""
    known = {str(field.alias) for field in Settings.model_fields.values()}
    return frozenset(known | {f"{name}_FILE" for name in SECRETS})


def origin(name: str, *, given: bool) -> str:
    """Return where a setting's value came from, in words."""
    if os.environ.get(name):
        return "environment"
    if dotenv_values(env_file()).get(name):
        return str(env_file())
    return "secret file" if given else "default"


def store_is_given() -> bool:
    """Whether the user names a store; else one is kept in the data folder."""
    given = _given()
    return bool(given.get("REDIS_URL") or given.get("REDIS_URL_FILE"))


def _given() -> dict[str, str]:
    """Return `.env` below the environment; in both an empty value is none."""
    return {
        name: value
        for source in (dotenv_values(env_file()), os.environ)
        for name, value in source.items()
        if value
    }


def inherited() -> dict[str, str]:
    """Return a copy of this process's environment, for a child."""
    return dict(os.environ)


def isolate(own: Mapping[str, str]) -> None:
    """Forget every setting of the user's, `.env` included, and take `own` instead.

    For the demo: nothing of the real service may reach it or its children.
    """
    for name in names():
        os.environ.pop(name, None)
    os.environ.update({"REELQUEUE_ENV_FILE": os.devnull, **own})


class SecretFiles(PydanticBaseSettingsSource):
    """Secrets from NAME_FILE, or from where `up` generated them in the data folder."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Unused: the source answers for all fields at once."""
        return None, field.alias or field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the secrets that no earlier source gave."""
        given = {**_given(), **self.current_state}
        data_dir = Path(given.get("REELQUEUE_DATA_DIR") or DEFAULT_DATA_DIR)
        paths = {
            name: _secret_path(name, given, data_dir) for name in SECRETS if not given.get(name)
        }
        return {name: _read(name, path) for name, path in paths.items() if path}


def _secret_path(name: str, given: Mapping[str, Any], data_dir: Path) -> Path | None:
    if given.get(f"{name}_FILE"):
        return Path(given[f"{name}_FILE"])
    generated = secret_file(data_dir, name)
    return generated if name in GENERATED and generated.exists() else None


def _read(name: str, path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as exc:
        raise ConfigurationError(f"{name}_FILE: cannot read {path}: {exc.strerror}") from exc
    except ValueError:  # its text would quote a byte of the secret
        raise ConfigurationError(f"{name}_FILE: {path} is not UTF-8 text") from None
    if not text:
        raise ConfigurationError(f"{name}_FILE: {path} is empty")
    return text


def secret_file(data_dir: Path, name: str) -> Path:
    """Return where a generated secret stands: `<data>/secrets/redis_url` and so on."""
    return data_dir / "secrets" / name.lower()


def simulator_file(data_dir: Path) -> Path:
    """Return where `up` says under which address the simulator is that it runs."""
    return data_dir / "simulator.url"


def _told(exc: ValidationError) -> str:
    return "; ".join(
        f"{error['loc'][0]}: {error['msg'].removeprefix('Value error, ')}"
        for error in exc.errors(include_input=False, include_context=False)
    )
