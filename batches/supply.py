"""Rows with their files uploaded: in manifest order, each as soon as those before it are."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from batches.chunks import CHUNK, HEAVY, chunked
from batches.contents import Unusable
from batches.row import Row
from batches.uploads import Medium, Uploads
from tasks import ids
from tasks.errors import MEDIUM_GONE, UPLOAD_FAILED
from tasks.job import Record, State

TICK = 0.25
"""Seconds after which rows that are ready no longer wait for a chunk to be full."""


@dataclass(frozen=True)
class Supplied:
    """A row, and what became of its files."""

    row: Row
    record: Record | None = None  # of its job, where it has files and was recorded before
    media: Mapping[str, Medium] = field(default_factory=dict)  # by the placeholders in its body
    problem: str = ""  # why a file of it cannot be uploaded

    @property
    def digest(self) -> str:
        """The digest of the row's content: of its files too, wherever they lie.

        Where one of them cannot be read it is of the row as it stands.
        """
        known = {name: f"sha256:{medium.sha256}" for name, medium in self.media.items()}
        return ids.content_digest(_filled(self.row.body, known), self.row.columns)

    @property
    def body(self) -> Mapping[str, Any]:
        """The row's request, media UUIDs in the place of files."""
        uuids = {name: medium.media_uuid for name, medium in self.media.items()}
        return _filled(self.row.body, uuids)

    @property
    def lacked(self) -> bool:
        """Whether its job ended for want of its files, so that a fresh upload helps."""
        return self.record is not None and lacks_files(self.record)

    @property
    def differs(self) -> bool:
        """Whether it was recorded with other content."""
        if self.record is None or self.record.digest == self.digest:
            return False
        as_it_stands = Supplied(self.row).digest
        return not (self.problem or (self.lacked and self.record.digest == as_it_stands))


_ENDED_BY = frozenset({State.FAILED, State.PARTIAL})
"""States that an error ends a job in."""


def lacks_files(job: Record) -> bool:
    """Whether a job of local files ended for want of them."""
    return lacks_upload(job) or (job.state in _ENDED_BY and job.error_code in MEDIUM_GONE)


def lacks_upload(job: Record) -> bool:
    """Whether a job of local files was not sent, because one of them could not be uploaded."""
    bought = job.attempts[-1].outcome not in {"", "rejected"}  # the provider has that code too
    return job.state in _ENDED_BY and job.error_code == UPLOAD_FAILED and not bought


def _filled(body: Mapping[str, Any], media: Mapping[str, str]) -> Mapping[str, Any]:
    if not media:
        return body
    inputs = {
        kind: [media.get(one, one) for one in given] for kind, given in body["inputs"].items()
    }
    return {**body, "inputs": inputs}


@dataclass(frozen=True, slots=True)
class _Begun:
    """A row whose files are on their way."""

    row: Row
    record: Record | None = None
    media: Future[dict[str, Medium]] | None = None

    @property
    def is_ready(self) -> bool:
        return self.media is None or self.media.done()

    def supplied(self) -> Supplied:
        """Wait for the media.

        Raises:
            Error: no file can be uploaded now.
        """
        if self.media is None:
            return Supplied(self.row, self.record)
        try:
            return Supplied(self.row, self.record, self.media.result())
        except Unusable as exc:
            return Supplied(self.row, self.record, problem=str(exc))


Known = Callable[[Sequence[Row]], Sequence[Record | None]]
"""Looks up the jobs of rows."""


def looked_up(
    rows: Sequence[Row],
    records: Sequence[Record | None],
    uploads: Uploads | None,
    waiting: Callable[[], None],
) -> list[Supplied]:
    """Return rows beside their records; files of those that have one are read, none is uploaded.

    `waiting` is called several times a second while they are read; it may raise.
    """
    begun = [
        _Begun(row, record, uploads.hashes(row.files) if uploads and record and row.files else None)
        for row, record in zip(rows, records, strict=True)
    ]
    for one in begun:
        while not one.is_ready:
            waiting()
            _wait_for(one)
    return [one.supplied() for one in begun]


def supplied(
    rows: Iterable[Row], known: Known, uploads: Uploads | None, waiting: Callable[[], None]
) -> Iterator[list[Supplied]]:
    """Yield rows in order, files uploaded: a full chunk at once, what is ready after a moment.

    Up to two chunks of rows are read ahead, whose files are uploaded meanwhile. Recorded rows'
    files are only read, unless their job ended for want of them.

    Args:
        rows: Of a manifest.
        known: Looks up jobs; asked about rows with files alone.
        uploads: None where no row has files.
        waiting: Called several times a second while uploads are waited for; may raise.

    Raises:
        Error: no file can be uploaded now.
    """
    pages = _begun(rows, known, uploads)
    ahead, ready = _Rows(), _Rows()
    more, since = True, monotonic()
    while ahead or more:
        if more and not ahead.is_full:
            page = next(pages, None)
            more = page is not None
            for begun in page or ():
                ahead.add(begun)
        elif ahead.first.is_ready:
            since = since if ready else monotonic()
            ready.add(ahead.take())
        else:
            waiting()
            _wait_for(ahead.first)
        stuck = bool(ahead) and not ahead.first.is_ready and monotonic() - since >= TICK
        if ready.is_full or (ready and stuck):
            yield ready.supplied()
    if ready:
        yield ready.supplied()


class _Rows:
    """Rows in order: a chunk of them at most, or one more page of them."""

    def __init__(self) -> None:
        self._rows: deque[_Begun] = deque()
        self._weight = 0

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def first(self) -> _Begun:
        """The one that was added first."""
        return self._rows[0]

    @property
    def is_full(self) -> bool:
        """Whether they are as many, or as heavy, as a chunk."""
        return len(self._rows) >= CHUNK or self._weight >= HEAVY

    def add(self, begun: _Begun) -> None:
        """Add one at the end."""
        self._rows.append(begun)
        self._weight += begun.row.weight

    def take(self) -> _Begun:
        """Take the first away."""
        begun = self._rows.popleft()
        self._weight -= begun.row.weight
        return begun

    def supplied(self) -> list[Supplied]:
        """Take all away, waiting for their media.

        Raises:
            Error: no file can be uploaded now.
        """
        return [self.take().supplied() for _ in range(len(self))]


def _wait_for(begun: _Begun) -> None:
    if begun.media:
        wait([begun.media], TICK)


def _begun(rows: Iterable[Row], known: Known, uploads: Uploads | None) -> Iterator[list[_Begun]]:
    for page in chunked(rows):
        with_files = [row for row in page if row.files]
        records = dict(zip(map(id, with_files), known(with_files), strict=True))
        yield [_begin(row, records.get(id(row)), uploads) for row in page]


def _begin(row: Row, record: Record | None, uploads: Uploads | None) -> _Begun:
    if not row.files or uploads is None:
        return _Begun(row, record)
    if record is None:
        return _Begun(row, None, uploads.start(row.files))
    if lacks_files(record):
        return _Begun(row, record, uploads.start(row.files, after=record.ended_at or 0))
    return _Begun(row, record, uploads.hashes(row.files))
