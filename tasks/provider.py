"""The one place that speaks HTTP to the provider, with every timeout and size cap."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, NewConnectionError

from tasks.errors import ProviderAway
from tasks.wire.answer import Item, Unreadable, items, parse
from tasks.wire.request import dumps

CONNECT = 5.0
"""Seconds to reach the provider."""
SILENCE = 15.0
"""Seconds between two pieces of an answer."""
TOTAL = 20.0
"""Seconds for a whole exchange; an async submit is acknowledged at once (contract §3)."""
MOST_BYTES = 64 * 1024 * 1024
"""Largest answer read: a hundred finished tasks of 128,000 tokens each are about 60 MB."""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, read leniently: what it says of tasks stands in `items`."""

    status: int
    items: tuple[Item, ...]
    problem: str  # why the body could not be read; empty where it could
    retry_after: float | None  # seconds, where the provider names them (undocumented)


class _Bearer(AuthBase):
    """Sets the key itself: with a plain header requests would let a .netrc entry replace it."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class Provider:
    """A client of one endpoint, safe to share between threads."""

    def __init__(self, base_url: str, api_key: str, connections: int) -> None:
        self._url = base_url
        self._session = requests.Session()
        self._session.auth = _Bearer(api_key)
        adapter = HTTPAdapter(pool_maxsize=connections, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def submit(self, tasks: Sequence[bytes]) -> Answer:
        """Send several tasks, each already JSON, in one POST.

        Raises:
            ProviderAway: `sent` is false only where the request cannot have reached the provider.
        """
        return self._post(b"[" + b",".join(tasks) + b"]")

    def poll(self, task_uuids: Sequence[str]) -> Answer:
        """Ask for the cumulative state of several tasks in one POST.

        Raises:
            ProviderAway: nothing was learned.
        """
        body = [{"taskType": "getResponse", "taskUUID": uuid} for uuid in task_uuids]
        return self._post(dumps(body))

    def close(self) -> None:
        """Close pooled connections."""
        self._session.close()

    def _post(self, body: bytes) -> Answer:
        deadline = time.monotonic() + TOTAL
        try:
            with self._session.post(
                self._url,
                data=body,
                headers={"Content-Type": "application/json"},
                timeout=(CONNECT, SILENCE),
                allow_redirects=False,  # the key would follow
                stream=True,
            ) as response:
                return _answer(response, _read(response, deadline))
        except (requests.RequestException, HTTPError, OSError) as exc:
            raise ProviderAway(_reason(exc), sent=not _never_sent(exc)) from exc


def _read(response: requests.Response, deadline: float) -> bytes:
    pieces, size = [], 0
    while piece := response.raw.read1(65_536, decode_content=True):
        pieces.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            raise ProviderAway(f"the answer is larger than {MOST_BYTES} bytes", sent=True)
        if time.monotonic() > deadline:
            raise ProviderAway(f"the answer took longer than {TOTAL:.0f} s", sent=True)
    return b"".join(pieces)


def _answer(response: requests.Response, body: bytes) -> Answer:
    try:
        found, problem = tuple(items(parse(body))), ""
    except Unreadable as exc:
        found, problem = (), f"HTTP {response.status_code} with a body that is no answer: {exc}"
    return Answer(response.status_code, found, problem, _seconds(response.headers))


def _seconds(headers: "requests.structures.CaseInsensitiveDict[str]") -> float | None:
    text = headers.get("Retry-After", "")
    return min(float(text), 60.0) if text.isascii() and text.isdigit() else None


def _never_sent(exc: BaseException) -> bool:
    """Whether no connection was made, so that nothing can have been bought."""
    if isinstance(exc, requests.ConnectTimeout | requests.exceptions.InvalidURL):
        return True
    inner = exc.args[0] if exc.args else None
    return isinstance(getattr(inner, "reason", None), NewConnectionError)


def _reason(exc: BaseException) -> str:
    # The text of these exceptions quotes the URL and addresses; the class says enough.
    inner = getattr(exc.args[0] if exc.args else None, "reason", None)
    return f"the provider gave no answer: {type(inner or exc).__name__}"
