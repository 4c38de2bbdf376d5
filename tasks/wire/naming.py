"""Whose an item is: the items of an answer by the task that they speak of (contract §4)."""

from collections.abc import Collection, Sequence

from tasks.errors import Category, category
from tasks.wire.answer import Item, Kind

NOT_THERE = frozenset({Category.UNKNOWN_TASK, Category.GONE})
"""Categories that by poll can speak of nothing but the task that was asked for."""


def by_task(
    items: Sequence[Item], accused: Collection[str] = (), *, alone: str = ""
) -> dict[str, list[Item]]:
    """Group items by the task they name; what names none, or is the poll's own, is left out.

    An error that may be either's is the task's beside results of it, for these a poll has told; and
    one of an unknown code where a callback has `accused` the task. A result, or that the task asked
    for is not there, or no longer, needs no name where it was asked for `alone`.
    """
    told = {item.task_uuid for item in items if item.kind is Kind.SUCCESS}
    named: dict[str, list[Item]] = {}
    for item in items:
        unknown = category(item.code) is Category.UNKNOWN
        believed = item.task_uuid in told or (unknown and item.task_uuid in accused)
        if item.task_uuid and (believed or not item.about_poll):
            named.setdefault(item.task_uuid, []).append(item)
        elif alone and not item.task_uuid and _needs_no_name(item):
            named.setdefault(alone, []).append(item)
    return named


def _needs_no_name(item: Item) -> bool:
    return item.kind is Kind.SUCCESS or category(item.code) in NOT_THERE
