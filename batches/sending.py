"""One content to the provider's media storage: sent, again where that may help, and awaited."""

import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from time import monotonic
from typing import IO

from batches.contents import Unusable, pieces
from batches.storing import Said, judged, polled
from tasks.backoff import exponential
from tasks.errors import Error, ProviderAway
from tasks.provider import Provider
from tasks.wire.media import Upload, stored


@dataclass(frozen=True)
class Pace:
    """How often, and how long, in seconds."""

    tries: int = 7  # of one upload; with the waits between them about a minute
    first: float = 1.0  # wait before the second, doubled for each further
    most: float = 30.0
    ready: float = 600.0  # until a medium that was taken must be ready
    look: float = 0.5  # before it is first asked whether it is, half as long again each time
    seldom: float = 5.0
    grace: float = 2.0  # left, when the command is stopped, to uploads that wait for their answer


@dataclass
class Tally:
    """What uploads have done so far."""

    uploaded: int = 0  # files
    known: int = 0  # files whose content was there
    failed: int = 0
    sent: int = 0  # bytes, those of tries that failed among them
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def is_any(self) -> bool:
        """Whether any file was to be uploaded."""
        return bool(self.uploaded or self.known or self.failed)

    def add(self, *, uploaded: int = 0, known: int = 0, failed: int = 0, sent: int = 0) -> None:
        """Count, from any thread."""
        with self.lock:
            self.uploaded += uploaded
            self.known += known
            self.failed += failed
            self.sent += sent


class Stopped(Exception):
    """The command is being stopped."""


class Sender:
    """Sends contents to one provider, from several threads."""

    def __init__(self, provider: Provider, most: int, pace: Pace) -> None:
        """Prepare; nothing is sent yet. At most `most` are on their way at once."""
        self.tally, self.stop = Tally(), threading.Event()
        self.room = threading.Semaphore(most)
        self._provider, self._pace = provider, pace
        self._random = Random()  # noqa: S311  jitter, no secret

    def close(self) -> None:
        """End what is on its way."""
        self.stop.set()
        self._provider.cut()
        self._provider.close()

    def go_on(self) -> None:
        """Raise Stopped where that is so."""
        if self.stop.is_set():
            raise Stopped

    def send(self, stream: IO[bytes], size: int, sha256: str, begun: Callable[[str], None]) -> str:
        """Upload a file; returns its media UUID once it is ready.

        Args:
            stream: The open file.
            size: Its bytes.
            sha256: Its content's.
            begun: Hears the taskUUID of each try before it is sent.

        Raises:
            Unusable: the provider refuses it, or it changes meanwhile.
            Error: the provider takes no files at all.
            Stopped: the command is.
        """
        succeeded, said = self.tally.uploaded, Said()
        for tries in range(self._pace.tries):
            if tries:
                wait = exponential(tries - 1, self._pace.first, self._pace.most, self._random)
                self._rest(said.retry_after or wait)
            task_uuid = str(uuid.uuid4())
            begun(task_uuid)
            said = self._try(stream, size, sha256, task_uuid)
            if said.media_uuid:
                self.tally.add(uploaded=1)
                return said.media_uuid
        if said.of_the_file or self.tally.uploaded > succeeded:
            raise Unusable(f"could not be uploaded: {said.reason}")
        raise Error(
            f"the provider takes no files now: {said.reason}. What is uploaded stays so; the same "
            "command goes on"
        )

    def _try(self, stream: IO[bytes], size: int, sha256: str, task_uuid: str) -> Said:
        upload = Upload(task_uuid, size, lambda: pieces(stream, size, sha256, self._told))
        try:
            with self.room:
                answer = self._provider.upload(upload)
        except ProviderAway as away:
            self.go_on()
            said = self._after(away, task_uuid)
        else:
            said = judged(answer, stored(answer.items, task_uuid))
        return self._await(task_uuid) if said.waits else said

    def _after(self, away: ProviderAway, task_uuid: str) -> Said:
        """Ask what became of an upload that had no answer.

        Where that is answered, the provider is there: this file is what it does not take.
        """
        found = self._look(task_uuid) if away.sent else None
        if found and (found.media_uuid or found.waits):
            return found
        return Said(reason=str(away), of_the_file=found is not None)

    def found(self, task_uuid: str) -> str | None:
        """Return the medium that an upload left half done has made; None if it made none."""
        with suppress(Unusable):  # the next upload tells why
            said = self._look(task_uuid)
            if said and said.waits:
                said = self._await(task_uuid)
            return said.media_uuid or None if said else None
        return None

    def _look(self, task_uuid: str) -> Said | None:
        """Ask once what became of an upload; None where there is no answer."""
        try:
            answer = self._provider.poll([task_uuid])
        except ProviderAway:
            return None
        return polled(answer, stored(answer.items, task_uuid))

    def _await(self, task_uuid: str) -> Said:
        """Wait until a medium that was taken is ready.

        Raises:
            Unusable: it was not, in time.
        """
        until, pause = monotonic() + self._pace.ready, self._pace.look
        while monotonic() < until:
            self._rest(pause)
            said = self._look(task_uuid)
            if said and (said.media_uuid or said.reason):
                return said
            pause = min(self._pace.seldom, pause * 1.5)
        raise Unusable(f"was not ready at the provider after {self._pace.ready:g} s")

    def _told(self, size: int) -> None:
        self.go_on()
        self.tally.add(sent=size)

    def _rest(self, seconds: float) -> None:
        if self.stop.wait(seconds):
            raise Stopped
