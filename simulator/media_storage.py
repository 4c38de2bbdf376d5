"""Answers `mediaStorage`, upload and delete, and the older `imageUpload` (contract §12)."""

from dataclasses import dataclass

from simulator import checks
from simulator.body import Task
from simulator.checks import Errors
from simulator.errors import Item, error
from simulator.ledger import Ledger
from simulator.media import Media
from simulator.reply import Reply
from simulator.tasktype import Opened, Steady

_ANY_LENGTH = 2**31
_MEDIA_CHECKS = {
    "taskType": checks.one_of("mediaStorage"),
    "taskUUID": checks.any_uuid,
    "operation": checks.one_of("upload", "delete"),
    "media": checks.string(1, _ANY_LENGTH),
}
_IMAGE_CHECKS = {
    "taskType": checks.one_of("imageUpload"),
    "taskUUID": checks.any_uuid,
    "image": checks.string(1, _ANY_LENGTH),
}


@dataclass(frozen=True, slots=True)
class MediaStorage:
    """Opens `mediaStorage` and `imageUpload` tasks."""

    media: Media
    ledger: Ledger

    def __call__(self, task: Task) -> Opened:
        """Open one task."""
        return _Storing(task, self.media, self.ledger)


@dataclass(frozen=True, slots=True)
class _Storing(Steady):
    task: Task
    media: Media
    ledger: Ledger

    def answer(self, reply: Reply) -> None:
        fields = self.task.fields
        if problems := list(_problems(fields)):
            reply.refuse(self.task, problems)
        elif reply.dry_run:
            self.ledger.count("dry_runs")
            reply.data.append(self._names() | {"cost": 0})
        elif fields.get("operation") == "delete":
            self._delete(str(fields["media"]), reply)
        elif "image" in fields:
            self._upload("image", ("imageUUID", "imageURL"), reply)
        else:
            self._upload("media", ("mediaUUID", "mediaURL"), reply)

    def _upload(self, field: str, keys: tuple[str, str], reply: Reply) -> None:
        stored = self.media.upload(str(self.task.fields[field]), self._names(), keys)
        if isinstance(stored, str):
            reply.refuse(self.task, [error(stored, parameter=field)])
        else:
            self.ledger.count("uploads")
            reply.data.append(stored.item())

    def _delete(self, media_uuid: str, reply: Reply) -> None:
        if code := self.media.delete(media_uuid):
            reply.refuse(self.task, [error(code, parameter="media")])
        else:
            self.ledger.count("deletions")
            reply.data.append(self._names() | {"mediaUUID": media_uuid})

    def _names(self) -> Item:
        fields = self.task.fields
        return {key: fields[key] for key in ("taskType", "taskUUID", "operation") if key in fields}


def _problems(fields: Item) -> Errors:
    """Check the fields of either taskType."""
    if fields.get("taskType") == "imageUpload":
        yield from checks.check_fields("", fields, _IMAGE_CHECKS, ("taskUUID", "image"))
    else:
        required = ("taskUUID", "operation", "media")
        yield from checks.check_fields("", fields, _MEDIA_CHECKS, required)
