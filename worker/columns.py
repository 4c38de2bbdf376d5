"""What Flower's table shows of a row, in columns of our own.

Flower 2.2 has a fixed table of columns, from which its option `tasks_columns` chooses; ours are
added to it. The texts that are searched, and the HTTP API, stay as events brought them (rows.py).
"""

import ast
from collections.abc import Mapping
from typing import Any

from flower.views.tasks import TASK_COLUMNS

from worker.batch_rows import NAME as BATCH
from worker.config import TEXT_INFERENCE
from worker.rows import MEDIA

OWN = {"custom_id": "custom_id", "medium": "Medium", "batch": "Batch", "cost": "Cost USD"}
"""Headers, by the name of the column."""

COLUMNS = "custom_id,medium,batch,state,result,cost,received,runtime,uuid,worker,name"


def add_columns() -> str:
    """Make our columns known to Flower; returns those of the table, in their order."""
    TASK_COLUMNS.update(OWN)
    return COLUMNS


def format_task(task: Any) -> Any:  # noqa: ANN401  Celery's own type, and a copy
    """Return the task with our columns, each a text; also for a row that is not ours."""
    args, kwargs, result = (_literal(getattr(task, name)) for name in ("args", "kwargs", "result"))
    described = kwargs if isinstance(kwargs, dict) else {}
    told = result if isinstance(result, dict) else {}
    first = str(args[0]) if isinstance(args, tuple) and args else ""
    task._fields = (*task._fields, *OWN)  # what it hands to the table
    task.custom_id = str(described.get("custom_id", first))
    task.medium = next((str(described[name]) for name in _KINDS if name in described), "")
    task.batch = first if task.name == BATCH else str(described.get("batch", ""))
    task.cost = str(told.get("cost", ""))
    task.result = _outcome(task, described, told)
    return task


_KINDS = tuple(kind.removesuffix("s") for kind in MEDIA)


def _outcome(task: Any, described: Mapping[str, Any], told: Mapping[str, Any]) -> object:  # noqa: ANN401
    if task.name == BATCH:
        return ", ".join(f"{count} {what}" for what, count in described.items())
    if task.name != TEXT_INFERENCE:
        return ", ".join(f"{what}: {count}" for what, count in told.items()) or task.result
    if task.exception:
        return task.exception
    if not told:
        return ""
    if "results" not in told:
        return told.get("state", "")
    errors = f", {told['errors']} failed" if told["errors"] else ""
    return f"{told['results']} ok{errors}, finish: {told['finish'] or '-'}"


def _literal(text: object) -> object:
    """Return what a text in an event spells, None where it spells nothing."""
    try:
        return ast.literal_eval(text) if isinstance(text, str) else text
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
