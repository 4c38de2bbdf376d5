"""The header `X-Runware-Dry-Run: 1`: checks and cost, nothing executed or charged (§10)."""

from simulator import items, outcomes
from simulator.ledger import Ledger
from simulator.reply import Reply
from simulator.request import Request


def answer(asked: Request, ledger: Ledger, reply: Reply) -> None:
    """Tell what the task would cost if all its results succeeded."""
    ledger.count("dry_runs")
    planned = outcomes.plan(asked, outcomes.Terms(), now=0.0)
    cost = items.dollars(sum(result.cost_nano for result in planned))
    reply.data.append(items.names(asked) | {"cost": cost})
