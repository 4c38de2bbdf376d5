"""Kinds of values that a setting may have, each with what is wrong with any other."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from redis.connection import parse_url

ALLOWABLE = ("eviction", "no-persistence")
"""What a throw-away store may do that loses records, by its name in REELQUEUE_ALLOW."""


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or set("?#") & set(value):
        raise ValueError("must be an http(s) URL without query")
    try:
        _ = parts.port
    except ValueError:  # requests would answer each time that the URL is none
        raise ValueError("must be an http(s) URL with a port from 1 to 65535, or none") from None
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


def _user_and_password(value: SecretStr) -> SecretStr:
    user, colon, password = value.get_secret_value().partition(":")
    if not (user and colon and password):
        raise ValueError("must be user:password")
    if not (value.get_secret_value().isascii() and value.get_secret_value().isprintable()):
        raise ValueError("must be user:password of printable ASCII: Flower compares no others")
    return value


def _store_url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    try:
        told, parts = parse_store_url(url), urlsplit(url)
        if parts.scheme != "unix" and not _DATABASE.fullmatch(parts.path):
            raise ValueError("redis-py would take the first database")  # noqa: TRY301  as below
    except (ValueError, TypeError):  # its text quotes the URL, and the URL holds a password
        raise ValueError(
            "must be redis://:PASSWORD@HOST:PORT/0, rediss://... for TLS or unix://..., special "
            "characters of the password written as %XX"
        ) from None
    if unknown := parse_qs(parts.query).keys() - {"db", *_OF_TLS * url.startswith("rediss:")}:
        raise ValueError(
            f"what may stand behind ? is db, and for rediss:// {', '.join(_OF_TLS)}; not "
            f"{', '.join(sorted(unknown))}"
        )
    if told.get("ssl_cert_reqs", "required") not in _CHECKS:
        raise ValueError(f"ssl_cert_reqs must be one of {', '.join(_CHECKS)}")
    for name in _FILES:
        if name in told and not Path(told[name]).is_file():
            raise ValueError(f"{name}: there is no file {told[name]}")
    return value


_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_OF_TLS = (
    *_FILES,
    *("ssl_ca_path", "ssl_password", "ssl_cert_reqs", "ssl_check_hostname"),
)
"""What a store's URL may tell of TLS: what redis-py and Celery both take."""
_CHECKS = ("required", "optional", "none")


parse_store_url: Callable[[str], dict[str, Any]] = parse_url  # redis-py leaves it untyped
_DATABASE = re.compile(r"(/\d*)?", re.ASCII)
_VISIBLE = re.compile(r"[!-~]+")
HttpUrl = Annotated[str, AfterValidator(_http_url)]
HeaderSecret = Annotated[SecretStr, AfterValidator(_header)]
UserAndPassword = Annotated[SecretStr, AfterValidator(_user_and_password)]
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
