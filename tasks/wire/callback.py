"""The body of a callback: what it delivers, or that it cannot be understood (contract §5)."""

from collections.abc import Sequence

from tasks.ids import is_task_uuid
from tasks.wire.answer import Item, Kind, Unreadable, items, parse

MOST_ITEMS = 64
"""Items of one callback that are read; the provider sends one, and a task has four at most."""


def read(body: bytes) -> Sequence[Item] | None:
    """Return the items of a callback's body; None where it cannot be understood."""
    try:
        delivered = items(parse(body), MOST_ITEMS)
    except Unreadable:
        return None
    return delivered if delivered and all(map(_is_ours, delivered)) else None


def _is_ours(item: Item) -> bool:
    if item.kind is Kind.SUCCESS:  # it must say which attempt it belongs to
        return item.task_uuid is not None and is_task_uuid(item.task_uuid)
    well_named = item.task_uuid is None or is_task_uuid(item.task_uuid)
    return item.kind is not Kind.OTHER and well_named
