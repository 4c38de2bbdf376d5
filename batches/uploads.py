"""Local files to the provider's media storage: once per content, a few at a time."""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from filelock import FileLock, Timeout

from batches.contents import Unusable, digest, opened
from batches.media_index import MediaIndex
from batches.row import LocalFile
from batches.sending import Pace, Sender, Stopped
from tasks.provider import Provider
from tasks.store import Store

PATIENT = 4
"""Threads per upload that may be on its way: those that wait for others hold back none."""


@dataclass(frozen=True)
class Account:
    """Where files go, and whose they are there: another account's cannot be used."""

    provider: Provider  # closed with the uploads
    mark: str


@dataclass(frozen=True)
class Medium:
    """A file at the provider."""

    media_uuid: str
    sha256: str


class Uploads:
    """Uploads of one command; leaving the context stops those that are under way."""

    def __init__(
        self, store: Store, account: Account, data_dir: Path, most: int, pace: Pace | None = None
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            store: Whose clock dates the uploads.
            account: Where files go.
            data_dir: Where the index is.
            most: Uploads on their way at once.
            pace: Of retries.

        Raises:
            Error: the index cannot be used.
        """
        self._store, self._account = store, account.mark
        self._pace = pace or Pace()
        self._sender = Sender(account.provider, most, self._pace)
        self.tally = self._sender.tally
        self._locks = data_dir / "uploads"
        try:
            self._locks.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._index = MediaIndex(data_dir)
        except BaseException:
            self._sender.close()
            raise
        self._threads = ThreadPoolExecutor(most * PATIENT, thread_name_prefix="upload")
        self._begun: set[Future[dict[str, Medium]]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._sender.stop.set()
        self._threads.shutdown(wait=False, cancel_futures=True)
        try:
            wait(set(self._begun), self._pace.grace)
        finally:  # also where a second Ctrl-C ends the waiting
            self._sender.close()
            self._threads.shutdown()
            self._index.close()

    def start(self, files: Mapping[str, LocalFile], after: int = 0) -> Future[dict[str, Medium]]:
        """Upload a row's files, unless their contents were uploaded after `after` (ms).

        Returns:
            To come: the media by the files' names, or one of
            Unusable: a file cannot be uploaded; the text names it.
            Error: no file can be uploaded now; the text says why.
        """
        return self._begin(files, after)

    def hashes(self, files: Mapping[str, LocalFile]) -> Future[dict[str, Medium]]:
        """Look up a row's files, uploading nothing: as `start`, without `media_uuid`."""
        return self._begin(files, None)

    def _begin(
        self, files: Mapping[str, LocalFile], after: int | None
    ) -> Future[dict[str, Medium]]:
        begun = self._threads.submit(self._media, files, after)
        self._begun.add(begun)
        begun.add_done_callback(self._begun.discard)
        return begun

    def _media(self, files: Mapping[str, LocalFile], after: int | None) -> dict[str, Medium]:
        found = {}
        for name, file in files.items():
            try:
                found[name] = self._medium(file, after)
            except Unusable as exc:
                self.tally.add(failed=int(after is not None))
                raise Unusable(f"{name.removeprefix('file:')} {exc}") from exc
        return found

    def _medium(self, file: LocalFile, after: int | None) -> Medium:
        self._sender.go_on()
        with opened(file.path, file.size) as stream:
            sha256 = self._hash(stream, file.path)
            if after is None:
                return Medium("", sha256)
            with self._alone(sha256):
                return Medium(self._stored(stream, file.size, sha256, after), sha256)

    def _hash(self, stream: IO[bytes], path: Path) -> str:
        status = os.fstat(stream.fileno())
        sha256 = self._index.hash_of(path, status)
        if sha256 is None:
            with self._sender.room:
                sha256 = digest(stream, self._sender.go_on)
            self._index.note_hash(path, status, sha256)
        return sha256

    @contextmanager
    def _alone(self, sha256: str) -> Iterator[None]:
        """Let no other thread or command upload the same content meanwhile."""
        lock = FileLock(self._locks / f"{sha256[:2]}.lock")
        try:
            lock.acquire(cancel_check=self._sender.stop.is_set)
        except Timeout:
            raise Stopped from None
        try:
            yield
        finally:
            lock.release()

    def _stored(self, stream: IO[bytes], size: int, sha256: str, after: int) -> str:
        entry = self._index.find(self._account, sha256, after)
        known = entry and (entry.media_uuid or self._sender.found(entry.task_uuid))
        self.tally.add(known=int(bool(known)))
        media_uuid = known or self._sender.send(
            stream,
            size,
            sha256,
            lambda task: self._index.begin(self._account, sha256, task, self._store.now()),
        )
        if entry is None or not entry.media_uuid:
            self._index.finish(self._account, sha256, media_uuid)
        return media_uuid
