"""The media that were uploaded: known by their content, ready after a while, gone after another."""

import base64
import binascii
import hashlib
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from simulator.checks import DATA_URI, PLACEHOLDER, UUID, is_url
from simulator.errors import Item, error
from simulator.settings import Switchboard
from simulator.words import Modes

_MAGIC = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"%PDF": "pdf", b"RIFF": "webp", b"ID3": "mp3"}


@dataclass(slots=True)
class Medium:
    """One content, however often it was uploaded.

    Attributes:
        media_uuid: Drawn from the content: the same content has the same UUID.
        source: `url`, `data_uri` or `base64`. A URL is not fetched; it stands for its content.
        size: Its bytes; of a URL, those of the URL.
        ready_at: When it can be used, on the monotonic clock.
        uploads: How often it was uploaded.
        deleted: It was deleted and not uploaded again.
    """

    media_uuid: str
    source: str
    sha256: str
    size: int
    url: str
    ready_at: float
    uploads: int = 0
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload task; `names` are the fields its item is matched by."""

    medium: Medium
    names: Item
    keys: tuple[str, str]

    def item(self) -> Item:
        """Write the answer: the medium, or the placeholder while it is not ready (§12)."""
        if time.monotonic() < self.medium.ready_at:
            return self.names | {self.keys[0]: PLACEHOLDER}
        return self.names | dict(
            zip(self.keys, (self.medium.media_uuid, self.medium.url), strict=True)
        )

    def polled(self, modes: Modes) -> Item:
        """Write it as a poll shows it."""
        ready = time.monotonic() >= self.medium.ready_at
        status = {"status": "success" if ready else "processing"}
        return self.item() | ({} if ready and "nostatus" in modes else status)


class Media:
    """The memory of all uploads."""

    def __init__(self, board: Switchboard) -> None:
        self._board = board
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget all uploads."""
        with self._lock:
            self._by_uuid: dict[str, Medium] = {}
            self._by_task: dict[str, Upload] = {}

    def all(self) -> list[Medium]:
        """Return every medium, in the order of the first uploads."""
        with self._lock:
            return list(self._by_uuid.values())

    def upload(self, text: str, names: Item, keys: tuple[str, str]) -> Upload | str:
        """Store a medium.

        Args:
            text: A public URL, a data URI or Base64.
            names: The fields by which the task's item is matched.
            keys: What the item calls the UUID and the URL.

        Returns:
            The upload, or the code of its error.
        """
        settings, found = self._board.current, _content(text)
        if found is None:
            return "invalidMedia"
        source, content = found
        if settings.media_max is not None and len(content) > settings.media_max:
            return "maxMediaSizeExceeded"
        if settings.media_fail is not None:
            return settings.media_fail
        with self._lock:
            medium = self._store(source, content, text)
            upload = Upload(medium, names, keys)
            self._by_task[str(names["taskUUID"])] = upload
        return upload

    def _store(self, source: str, content: bytes, text: str) -> Medium:
        digest, now = hashlib.sha256(content).digest(), time.monotonic()
        media_uuid = str(uuid.UUID(bytes=digest[:16], version=4))
        known = self._by_uuid.get(media_uuid)
        if known is None or self._gone(known):
            # The host of the real files, and a path that it does not serve.
            url = f"https://im.runware.ai/simulated/{media_uuid}.{_extension(content, text)}"
            ready_at = now + self._board.current.media_delay
            self._by_uuid[media_uuid] = Medium(
                media_uuid, source, digest.hex(), len(content), url, ready_at
            )
        medium = self._by_uuid[media_uuid]
        medium.uploads += 1
        return medium

    def upload_of(self, task_uuid: str) -> Upload | None:
        """Return what a task uploaded, if it did."""
        with self._lock:
            return self._by_task.get(task_uuid)

    def delete(self, media_uuid: str) -> str | None:
        """Delete a medium; return the code of the error if that was not possible."""
        with self._lock:
            medium = self._by_uuid.get(media_uuid.lower())
            code = self._gone(medium) if medium else "mediaNotFound"
            if medium is not None and code is None:
                medium.deleted = True
            return code

    def problems(self, task: Mapping[str, object]) -> list[Item]:
        """Return an error for each UUID in a task's inputs that cannot be used (`media_check`)."""
        check = self._board.current.media_check
        if check == "off":
            return []
        found = ((name, self._unusable(value, check)) for name, value in _uuids(task.get("inputs")))
        return [error(code, parameter=name) for name, code in found if code]

    def _unusable(self, media_uuid: str, check: str) -> str | None:
        with self._lock:
            medium = self._by_uuid.get(media_uuid.lower())
            if medium is None:
                return "mediaNotFound" if check == "strict" else None
            return self._gone(medium)

    def _gone(self, medium: Medium) -> str | None:
        """Return why a medium cannot be used any more, as an error's code."""
        retention = self._board.current.media_retention
        if medium.deleted:
            return "mediaNotFound"
        expired = retention is not None and time.monotonic() > medium.ready_at + retention
        return "mediaExpired" if expired else None


def _content(text: str) -> tuple[str, bytes] | None:
    if is_url(text):
        return "url", text.encode()
    found = DATA_URI.match(text)
    try:
        content = base64.b64decode(text[found.end() :] if found else text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return ("data_uri" if found else "base64", content) if content else None


def _extension(content: bytes, text: str) -> str:
    """Tell the kind of file by its first bytes, else by the URL."""
    if content[4:8] == b"ftyp":
        return "mp4"
    if is_url(text):
        suffix = PurePosixPath(urlsplit(text).path).suffix[1:5]
        return suffix if suffix.isalnum() and suffix.isascii() else "bin"
    return next((name for magic, name in _MAGIC.items() if content.startswith(magic)), "bin")


def _uuids(inputs: object) -> Iterator[tuple[str, str]]:
    """Yield the UUIDs in a task's valid inputs, each with the name of its place."""
    if isinstance(inputs, dict):
        for kind, values in inputs.items():
            for number, value in enumerate(values):
                if UUID.fullmatch(value):
                    yield f"inputs.{kind}[{number}]", value
