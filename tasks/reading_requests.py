"""Reading what jobs ask for: rows and the request parts they share, few in memory at once."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.connection import store_errors
from tasks.packing import inflated, loaded, unpacked
from tasks.reading import Pruned
from tasks.store import Store


@dataclass(frozen=True)
class Request:
    """What a job asks for, and what the user's row carried beside it."""

    custom_id: str
    body: Mapping[str, Any]  # request fields of the provider, ours not yet among them
    columns: Mapping[str, Any]  # the user's columns, in their order
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Inputs as the manifest has them, by kind, where local files (`file:clips/7.mp4`) are among
    them; the body has the media that these were uploaded as."""

    @property
    def local_files(self) -> list[str]:
        """The paths of its local files, as the manifest's folder has them."""
        media = [one for given in self.files.values() for one in given]
        return [one.removeprefix("file:") for one in media if one.startswith("file:")]


_Part = tuple[str, str]  # batch id, digest


def requests_of(store: Store, jobs: Sequence[tuple[str, str]]) -> list[Request]:
    """Return the requests of jobs, given as (job id, batch id), in order."""
    return list(each_request(store, jobs))


def each_request(store: Store, jobs: Sequence[tuple[str, str]]) -> Iterator[Request]:
    """Yield the requests of jobs as `requests_of` does, few in memory at once however large.

    Raises:
        Pruned: one is not there any more.
    """
    few, start = Few(), 0
    while some := jobs[start : start + few.most]:
        start += len(some)
        with store_errors():
            blobs = store.client.mget([store.keys("input", id_) for id_, _ in some])
        few.had(_sizes(blobs))
        held, size = list[tuple[_Part, Any]](), 0
        for (_, batch_id), blob in zip(some, blobs, strict=True):
            raw = inflated(_there(blob))
            row, size = loaded(raw), size + len(raw)
            held.append(((batch_id, row["shared"]), row))
            if size >= MOST:
                yield from _requests(store, held)
                held, size = [], 0
        yield from _requests(store, held)


MOST = 8_000_000
"""Bytes of rows, or of request parts, that are held at once, unless one alone has more."""
FEW = 32
"""Rows that are read by one command where they are small; nobody knows before how large one is."""


class Few:
    """How many values to read by one command: as many as fit, by the size of those before."""

    def __init__(self) -> None:
        self.most = FEW

    def had(self, sizes: Sequence[int]) -> None:
        """Hear how many bytes the last ones had."""
        mean = sum(sizes) // len(sizes)
        self.most = min(FEW, max(1, MOST // max(1, mean)))


def _there(blob: bytes | None) -> bytes:
    if blob is None:
        raise Pruned
    return blob


def _sizes(blobs: Sequence[bytes | None]) -> list[int]:
    return [len(blob or b"") for blob in blobs]


def _requests(store: Store, rows: Sequence[tuple[_Part, Any]]) -> Iterator[Request]:
    """Put rows and the parts they share together."""
    unknown = [part for part, _ in rows if part not in store.shelf]
    parts, last, shared = _Parts(store, unknown), None, dict[str, Any]()
    for part, row in rows:
        if part != last:
            found = store.shelf.get(part)
            last, shared = part, _shelved(store, part, parts) if found is None else found
        body = {**shared, **row["body"]}
        yield Request(row["custom_id"], body, row["columns"], row.get("files", {}))


def _shelved(store: Store, part: _Part, parts: "_Parts") -> Any:  # noqa: ANN401  any JSON object
    """Return a part, which never changes; a small one is at hand from now on."""
    raw = inflated(_there(parts.blob(part)))
    shared = loaded(raw)
    if len(raw) <= SHELVED:
        while len(store.shelf) >= SHELF:
            store.shelf.pop(next(iter(store.shelf)), None)
        store.shelf[part] = shared
    return shared


SHELVED, SHELF = 16_000, 64
"""Most bytes of a request part that is kept in memory; most of such parts."""


class _Parts:
    """Request parts as they are stored, read about in the order in which they are needed."""

    def __init__(self, store: Store, parts: Iterable[_Part]) -> None:
        self._store, self._few = store, Few()
        self._coming = deque(dict.fromkeys(parts))
        self._here: dict[_Part, Any] = {}

    def blob(self, part: _Part) -> Any:  # noqa: ANN401  bytes, or None where it is gone
        """Return a part; one that had to make room for others is read again."""
        if part not in self._here:
            self._read(part)
        return self._here[part]

    def _read(self, part: _Part) -> None:
        """Read a part and those that come next."""
        some = [part]
        while self._coming and len(some) < self._few.most:
            coming = self._coming.popleft()
            some += [coming] * (coming != part)
        pipe = self._store.client.pipeline(transaction=False)
        for batch_id, digest in some:
            pipe.hget(self._store.keys("shared", batch_id), digest)
        with store_errors():
            blobs = pipe.execute()
        self._few.had(_sizes(blobs))
        if sum(len(blob or b"") for blob in self._here.values()) > MOST:
            self._here = {}
        self._here |= zip(some, blobs, strict=True)


def has_files(store: Store, job: str) -> bool:
    """Whether local files are among a job's media."""
    with store_errors():
        blob = store.client.get(store.keys("input", job))
    return blob is not None and bool(unpacked(blob).get("files"))
