"""`deliveryMethod: async`: the answer names the accepted task, the result comes later (§3)."""

from http import HTTPStatus

from simulator import items
from simulator.errors import Item
from simulator.records import Accepted
from simulator.reply import Reply
from simulator.request import Request
from simulator.settings import Settings
from simulator.words import Modes


def deliver(accepted: Accepted, _settings: Settings, reply: Reply) -> None:
    """Name the accepted task in the answer, or not, as its directive says."""
    purchase, ack = accepted.purchase, accepted.purchase.request.directives.ack
    disturb(ack, reply)
    if "final" in ack:
        data, errors = items.polled(purchase.request, purchase.results, ack)
        reply.data += data
        reply.errors += errors
        reply.answered += purchase.results
    elif "unnamed" not in ack:
        reply.data.append(_item(purchase.request, ack))


def disturb(ack: Modes, reply: Reply) -> None:
    """Lose, break or hold back the answer to a task that was accepted (§3, §17.1)."""
    reply.lost = reply.lost or "lost" in ack
    if "500" in ack or "html" in ack:
        reply.html = int(ack.argument("html", HTTPStatus.INTERNAL_SERVER_ERROR))
    if "late" in ack:
        reply.hold = max(reply.hold, ack.argument("late", 0))


def _item(request: Request, ack: Modes) -> Item:
    running: Item = {"status": "processing"} if "processing" in ack else {}
    return items.names(request) | running
