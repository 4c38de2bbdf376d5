"""All settings of all processes; README.md has the table.

Kinds of values are in setting_kinds.py, where they are read from in environment.py.
"""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tasks.environment import (
    DEFAULT_DATA_DIR,
    SECRETS,
    SecretFiles,
    WrittenPaths,
    env_file,
    expanded,
    refuse_unreadable,
)
from tasks.errors import ConfigurationError
from tasks.setting_kinds import (
    Allowed,
    HeaderSecret,
    HttpUrl,
    Retention,
    Seconds,
    StoreUrl,
    UserAndPassword,
)
from tasks.token import Keyring, parse_keys

SIMULATED = "simulated"
"""Mark of a store with a simulated provider's answers."""

NAMESPACE = "reelqueue"
"""REELQUEUE_NAMESPACE where it is not set."""

LEAST_TOKEN = 32
"""Characters of REELQUEUE_API_TOKEN: 128 bits in hexadecimal."""


Folder = Annotated[Path, AfterValidator(partial(expanded, "REELQUEUE_DATA_DIR"))]
LEAST_THREADS = 18
"""Threads of a worker: one for each seat of a door, and one that takes calls. With fewer, what ends
waits until submissions and polls leave a thread to the door that settles."""


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
    flower_auth: UserAndPassword | None = _named("REELQUEUE_FLOWER_AUTH")
    api_token: HeaderSecret | None = _named("REELQUEUE_API_TOKEN")
    data_dir: Folder = _named("REELQUEUE_DATA_DIR", DEFAULT_DATA_DIR)
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
    worker_threads: int = _named("REELQUEUE_WORKER_THREADS", 24, ge=LEAST_THREADS, le=256)
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
        """Read overrides, the environment, secret files, then `.env`, its paths first."""
        del file_secret_settings  # one folder for all secrets; ours are named one by one
        ours = SecretFiles(settings_cls), WrittenPaths(settings_cls), dotenv_settings
        return init_settings, env_settings, *ours

    @property
    def first_poll(self) -> float:
        """When a task is first polled: with callbacks polling is only the safety net."""
        return self.poll_first or (20.0 if self.callback_url else 1.0)

    @property
    def allowed(self) -> frozenset[str]:
        """Which of ALLOWABLE the user accepts."""
        return frozenset(filter(None, (name.strip() for name in self.allow.split(","))))

    @property
    def debugging(self) -> bool:
        """Whether Flask would start in debug mode, which shows tracebacks to anyone."""
        return self.flask_debug.lower() not in {"", "0", "false", "no"}

    @property
    def callback_url(self) -> str | None:
        """Where the provider is asked to deliver results; None without a public URL."""
        return f"{self.public_url}/webhooks/runware" if self.public_url else None

    def listening(self, port: int) -> str:
        """Return the address of a process that listens on a port; IPv6 stands in brackets."""
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"

    @property
    def provider_mark(self) -> str:
        """What the store is marked with, so that two providers' answers never meet in it."""
        return SIMULATED if self.simulated else f"runware {self.base_url}"

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
        ConfigurationError: naming each wrong setting, without its value; or `.env` is not settings.
    """
    refuse_unreadable()
    try:
        return Settings(_env_file=env_file(), **(overrides or {}))
    except ValidationError as exc:
        raise ConfigurationError(_told(exc)) from None


def names() -> frozenset[str]:
    """Return every environment name that is read, secret files included."""
    known = {str(field.alias) for field in Settings.model_fields.values()}
    return frozenset(known | {f"{name}_FILE" for name in SECRETS})


def isolate(own: Mapping[str, str]) -> None:
    """Forget every setting of the user's, `.env` included, and take `own` instead.

    For the demo: nothing of the real service may reach it or its children.
    """
    for name in names():
        os.environ.pop(name, None)
    os.environ.update({"REELQUEUE_ENV_FILE": os.devnull, **own})


def _told(exc: ValidationError) -> str:
    return "; ".join(
        f"{error['loc'][0]}: {error['msg'].removeprefix('Value error, ')}"
        for error in exc.errors(include_input=False, include_context=False)
    )
