"""Answers `ping`, the keep-alive (contract §1)."""

from simulator.body import Task
from simulator.reply import Reply
from simulator.tasktype import Opened, Steady


class _Ping(Steady):
    def answer(self, reply: Reply) -> None:
        reply.data.append({"taskType": "ping", "pong": True})


def ping(_task: Task) -> Opened:
    """Open one keep-alive."""
    return _Ping()
