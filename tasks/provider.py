"""The one place that speaks HTTP to the provider, with every timeout and size cap."""

import math
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy

import requests
from requests.auth import AuthBase
from urllib3.exceptions import (
    HTTPError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

from tasks.errors import ProviderAway
from tasks.line import Adapter, Line, Lines
from tasks.response import Answer, answer_of, events_of
from tasks.wire.media import Upload
from tasks.wire.request import dumps
from tasks.wire.stream import Event


@dataclass(frozen=True)
class Patience:
    """How long one exchange may take, in seconds."""

    connect: float = 5.0  # to reach one address of the provider
    silence: float = 15.0  # between two pieces of an answer
    total: float = 20.0  # from first to last: an async submit is acknowledged at once (contract §3)
    stall: float | None = None  # in which nothing of a piece is taken; None: the total decides


def patience_for(size: int) -> Patience:
    """Return the patience for sending `size` bytes: a megabit a second, and time to store them."""
    silence = 60.0 + size / 4_000_000
    return Patience(silence=silence, total=silence + size / 125_000, stall=60.0)


class _Bearer(AuthBase):
    """Sets the key itself: with a plain header requests would let a .netrc entry replace it."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class _Session(requests.Session):
    """A session that follows nothing and keeps nothing that an answer asks for."""

    def __init__(self, auth: AuthBase) -> None:
        super().__init__()
        self.auth = auth
        # Kept cookies would grow each request, until a server refuses its head.
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return no target: to find one, requests reads a body of any size by itself."""


class Provider:
    """A client of one endpoint, safe to share between threads."""

    def __init__(
        self, base_url: str, api_key: str, connections: int, patience: Patience | None = None
    ) -> None:
        self._url, self._key = base_url, api_key
        self._patience = patience or Patience()
        self._session = _Session(_Bearer(api_key))
        adapter = Adapter(pool_maxsize=connections, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        self._session.proxies, self._session.verify = self._of_environment()
        self._session.trust_env = False
        self._lines = Lines()

    def submit(self, tasks: Sequence[bytes], send_by: float = math.inf) -> Answer:
        """Send several tasks, each already JSON, in one POST.

        Args:
            tasks: Their bytes.
            send_by: Seconds of clock.py after which nothing may be sent any more.

        Raises:
            ProviderAway: `sent` is false only where the request cannot have reached the provider.
        """
        return self._post(b"[" + b",".join(tasks) + b"]", send_by=send_by)

    def price(self, tasks: Sequence[bytes]) -> Answer:
        """Ask what tasks, each already JSON, would cost; they are not to be done (contract §10).

        Raises:
            ProviderAway: as of `submit`.
        """
        return self._post(b"[" + b",".join(tasks) + b"]", headers=_DRY_RUN)

    def poll(self, task_uuids: Sequence[str]) -> Answer:
        """Ask for the cumulative state of several tasks in one POST.

        Raises:
            ProviderAway: nothing was learned.
        """
        body = dumps([{"taskType": "getResponse", "taskUUID": uuid} for uuid in task_uuids])
        try:
            return self._post(body)
        except ProviderAway as away:
            if not _was_cut_off(away):
                raise
            return self._post(body)  # a kept connection may have been closed meanwhile

    def upload(self, upload: Upload) -> Answer:
        """Send one medium in a POST of its own, piece by piece.

        Raises:
            ProviderAway: as of `submit`; what was sent may be stored.
            Exception: what reading the pieces raises, unless it is an OSError, which would pass for
                the provider's; the provider has no whole request then.
        """
        return self._post(upload, patience_for(len(upload)))

    def ask(self, task: bytes, task_uuid: str, *, streamed: bool) -> Generator[Event, None, None]:
        """Send one `sync` or `stream` task; yield its answer as it comes (contract §3, §9).

        Close the iterator to leave early; the provider goes on with the task, and may bill it.

        Args:
            task: Already JSON.
            task_uuid: Its own.
            streamed: Whether its deliveryMethod is `stream`. JSON is understood in place of a
                stream, a stream in place of JSON.

        Raises:
            ProviderAway: as of `submit`; what was yielded before stands.
        """
        line = Line(self._patience.total)
        try:
            headers = _STREAMED if streamed else _HELD
            with self._exchange(line, b"[" + task + b"]", headers, self._patience) as response:
                yield from events_of(response, line, task_uuid, self._key)
        except (requests.RequestException, HTTPError, OSError) as exc:
            reason = _what_broke(exc, line, self._patience)
            raise ProviderAway(reason, sent=not _never_sent(exc)) from exc

    def cut(self) -> None:
        """End what is under way, from any thread; whoever waits for it gets ProviderAway."""
        self._lines.cut()

    def close(self) -> None:
        """Close pooled connections."""
        self._session.close()

    def _post(
        self,
        body: bytes | Upload,
        patience: Patience | None = None,
        headers: Mapping[str, str] | None = None,
        send_by: float = math.inf,
    ) -> Answer:
        patience = patience or self._patience
        line = Line(patience.total, patience.stall, send_by)
        try:
            with self._exchange(line, body, headers or _HELD, patience) as response:
                return answer_of(response, line, self._key)
        except (requests.RequestException, HTTPError, OSError) as exc:
            raise ProviderAway(_reason(exc), sent=not _never_sent(exc)) from exc

    @contextmanager
    def _exchange(
        self,
        line: Line,
        body: bytes | Iterable[bytes],
        headers: Mapping[str, str],
        patience: Patience,
    ) -> Iterator[requests.Response]:
        with (
            self._lines.watched(line),
            self._session.post(
                self._url,
                data=body,
                headers=headers,
                timeout=(patience.connect, patience.silence),
                allow_redirects=False,  # the key would follow
                stream=True,
            ) as response,
        ):
            yield response

    def _of_environment(self) -> tuple[dict[str, str], bool | str]:
        """Return proxies and certificates as the environment has them, looked up once.

        requests looks through the whole environment for each exchange, which takes a fifth of it.
        """
        found = self._session.merge_environment_settings(self._url, {}, None, None, None)
        return dict(found["proxies"]), found["verify"] or True


_HELD = {"Content-Type": "application/json"}
_DRY_RUN = {**_HELD, "X-Runware-Dry-Run": "1"}
_STREAMED = {
    **_HELD,
    "Accept": "text/event-stream",
    "Accept-Encoding": "identity",  # what packs a stream holds it back
}


def _what_broke(exc: BaseException, line: Line, patience: Patience) -> str:
    if line.is_over:
        return f"the answer was not whole after {patience.total:g} s"
    if isinstance(exc, requests.ReadTimeout | ReadTimeoutError):
        return f"the provider was silent for {patience.silence:g} s"
    if isinstance(exc, HTTPError):  # before the answer began, requests has errors of its own
        return f"the answer was cut: {type(exc).__name__}"
    return _reason(exc)


def _never_sent(exc: BaseException) -> bool:
    """Whether no connection was made, so that nothing can have been bought."""
    if isinstance(exc, requests.ConnectTimeout | requests.exceptions.InvalidURL):
        return True
    inner = exc.args[0] if exc.args else None
    return isinstance(getattr(inner, "reason", None), NewConnectionError)


def _was_cut_off(away: ProviderAway) -> bool:
    """Whether the connection was closed without a byte of an answer; to ask again does no harm."""
    cause = away.__cause__
    inner = cause.args[0] if isinstance(cause, requests.ConnectionError) and cause.args else None
    return isinstance(inner, ProtocolError)


def _reason(exc: BaseException) -> str:
    # The text of these exceptions quotes the URL and addresses; the class says enough.
    inner = getattr(exc.args[0] if exc.args else None, "reason", None)
    return f"the provider gave no answer: {type(inner or exc).__name__}"
