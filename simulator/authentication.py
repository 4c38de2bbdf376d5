"""The key, in the header or as the first task of the request (contract §1)."""

import hmac
import uuid
from dataclasses import dataclass

from simulator.body import Task
from simulator.errors import RefusedError, error
from simulator.reply import Reply
from simulator.settings import Settings, Switchboard
from simulator.tasktype import Opened, Steady

TASK_TYPE = "authentication"


@dataclass(frozen=True, slots=True)
class Authentication:
    """Opens `authentication` tasks; the key itself was checked with the request."""

    board: Switchboard

    def __call__(self, _task: Task) -> Opened:
        """Open one."""
        return _Session(self.board)


@dataclass(frozen=True, slots=True)
class _Session(Steady):
    board: Switchboard

    def answer(self, reply: Reply) -> None:
        if self.board.current.auth_item:
            session = str(uuid.uuid4())
            reply.data.append({"taskType": TASK_TYPE, "connectionSessionUUID": session})


def check(authorization: str | None, tasks: list[Task], settings: Settings) -> None:
    """Check every key that a request gives.

    Args:
        authorization: The header of that name.
        tasks: The tasks; only the first can carry a key.
        settings: The switches.

    Raises:
        RefusedError: 401, there is no key or a wrong one.
    """
    keys: list[object] = [] if not authorization else [_bearer(authorization)]
    if tasks and tasks[0].fields.get("taskType") == TASK_TYPE:
        keys.append(tasks[0].fields.get("apiKey"))
    if not keys:
        raise _unauthorized("missingApiKey")
    if settings.reject_key or not all(_is_known(key, settings.api_key) for key in keys):
        raise _unauthorized("invalidApiKey")


def _bearer(authorization: str) -> str:
    scheme, _, key = authorization.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _is_known(key: object, wanted: str | None) -> bool:
    if not isinstance(key, str) or not key:
        return False
    # Escapes give a lone surrogate of a strange key bytes, too.
    given = key.encode(errors="backslashreplace")
    return wanted is None or hmac.compare_digest(given, wanted.encode())


def _unauthorized(code: str) -> RefusedError:
    return RefusedError(401, error(code, parameter="apiKey", taskType=TASK_TYPE))
