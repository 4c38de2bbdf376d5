"""What every taskType is to the envelope: something that opens a task, and answers it."""

from collections.abc import Callable
from typing import Protocol

from simulator.body import Task
from simulator.reply import Reply


class Opened(Protocol):
    """A task of a known type, ready to be answered."""

    def drops(self) -> bool:
        """Say, before anything is accepted, whether the connection is to be closed."""

    def note_dropped(self) -> None:
        """Record that the connection was closed instead of an answer."""

    def answer(self, reply: Reply) -> None:
        """Do what the task asks, adding to the reply."""


class Steady:
    """A task that never asks for a closed connection, and leaves no trace in one."""

    __slots__ = ()

    def drops(self) -> bool:
        """Never."""
        return False

    def note_dropped(self) -> None:
        """Leave no trace: it bought nothing."""


# Opens the tasks of one taskType. A new type is one more file and a line in app.py.
Handler = Callable[[Task], Opened]
