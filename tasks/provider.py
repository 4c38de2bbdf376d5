"""The one place that speaks HTTP to the provider, with every timeout and size cap."""

import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError

from tasks.errors import ProviderAway
from tasks.wire.answer import Item, Unreadable, items, parse
from tasks.wire.request import dumps


@dataclass(frozen=True)
class Patience:
    """How long one exchange may take, in seconds."""

    connect: float = 5.0  # to reach one address of the provider
    silence: float = 15.0  # between two pieces of an answer
    total: float = 20.0  # from first to last: an async submit is acknowledged at once (contract §3)


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

    def __init__(
        self, base_url: str, api_key: str, connections: int, patience: Patience | None = None
    ) -> None:
        self._url = base_url
        self._patience = patience or Patience()
        self._session = requests.Session()
        self._session.auth = _Bearer(api_key)
        adapter = _Adapter(pool_maxsize=connections, max_retries=0)
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
        patience = self._patience
        try:
            with (
                _Line(patience.total) as line,
                self._session.post(
                    self._url,
                    data=body,
                    headers={"Content-Type": "application/json"},
                    timeout=(patience.connect, patience.silence),
                    allow_redirects=False,  # the key would follow
                    stream=True,
                ) as response,
            ):
                answer = _read(response)
                line.check()  # a line cut in the middle of an answer looks like its end
                return _answer(response, answer)
        except (requests.RequestException, HTTPError, OSError) as exc:
            raise ProviderAway(_reason(exc), sent=not _never_sent(exc)) from exc


class _Line:
    """One exchange on a connection, which is cut when its time is over.

    Timeouts of a socket start anew with every byte, so a slow answer would never meet one.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._is_over = False

    def __enter__(self) -> Self:
        _current.line = self
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def carry(self, connected: socket.socket) -> None:
        """Take the socket that is about to be sent on; a large body may need all the time."""
        connected.settimeout(self._seconds)
        self._socket = connected
        self.check()

    def check(self) -> None:
        """Raise TimeoutError where the time is over."""
        if self._is_over:
            raise TimeoutError

    def _cut(self) -> None:
        self._is_over = True
        if self._socket:
            with suppress(OSError):
                # Not the method of a TLS socket: it would unwrap it under the reader's hands.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


_current = threading.local()
"""`line`: the exchange of this thread."""


class _Carried:
    """A connection that tells its socket to the exchange that sends on it."""

    sock: socket.socket | None

    def connect(self) -> None:
        """Connect, unless the time went by while the name was looked up."""
        super().connect()  # type: ignore[misc]  # a mixin
        self._carry()

    def putrequest(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  http.client's own
        """Begin a request, here or on a new connection."""
        if self.sock:
            self._carry()
        super().putrequest(*args, **kwargs)  # type: ignore[misc]  # a mixin

    def _carry(self) -> None:
        if self.sock:
            _current.line.carry(self.sock)


class _Http(_Carried, HTTPConnection): ...


class _Https(_Carried, HTTPSConnection): ...


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class _Adapter(HTTPAdapter):
    """Makes connections that can be cut, with and without a proxy."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  as its parent
        """Build the pool of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:  # noqa: ANN401  as its parent
        """Return the pool of connections through `proxy`."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


def _read(response: requests.Response) -> bytes:
    pieces, size = [], 0
    while piece := response.raw.read1(65_536, decode_content=True):
        pieces.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            raise ProviderAway(f"the answer is larger than {MOST_BYTES} bytes", sent=True)
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
