"""Media storage: the request of an upload, made while it is sent, and what its answers say.

Sources: contract §12, and §17, trap 33.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tasks.ids import ANY_UUID
from tasks.wire.answer import Item, Kind
from tasks.wire.request import dumps

PIECE = 3 * 65_536
"""Bytes of a file in one piece of a request: whole groups of base64, and all that is in memory."""


class Upload:
    """The body of one upload. It can be sent once more from the start: `pieces` is called anew."""

    def __init__(self, task_uuid: str, size: int, pieces: Callable[[], Iterator[bytes]]) -> None:
        """Describe an upload.

        Args:
            task_uuid: Of the upload's own task.
            size: Bytes of the medium.
            pieces: Yields them; each piece but the last has `PIECE` bytes.
        """
        self.task_uuid, self.size = task_uuid, size
        self._pieces = pieces
        task = {"taskType": "mediaStorage", "taskUUID": task_uuid, "operation": "upload"}
        self._head = b"[" + dumps(task)[:-1] + b',"media":"'

    def __len__(self) -> int:
        return len(self._head) + 4 * -(-self.size // 3) + len(_TAIL)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        for piece in self._pieces():
            yield b64encode(piece)
        yield _TAIL


_TAIL = b'"}]'


@dataclass(frozen=True)
class Stored:
    """What an answer says of an upload."""

    media_uuid: str = ""  # empty: not ready yet
    code: str = ""  # of the error that refuses it
    message: str = ""
    is_known: bool = True  # whether the answer names it at all


def stored(items: Sequence[Item], task_uuid: str) -> Stored:
    """Read the answer to an upload, or to a poll for it.

    An error that names no task is the upload's: it was alone in its request.
    """
    ours = [item for item in items if item.task_uuid in (task_uuid, None)]
    for item in ours:
        if item.kind is Kind.ERROR:
            return Stored(code=item.code, message=item.message)
    for item in ours:
        named = item.raw.get("mediaUUID")
        if isinstance(named, str) and ANY_UUID.fullmatch(named):
            return Stored(named)
    return Stored(is_known=any(item.task_uuid == task_uuid for item in ours))
