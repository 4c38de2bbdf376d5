"""`deliveryMethod: sync`: the answer is held until the results are done (contract §3)."""

import math

from simulator import acknowledge, items
from simulator.records import Accepted
from simulator.reply import Held, Reply, sleep_until
from simulator.settings import Settings
from simulator.words import NO_MODES, Modes

_NO_STATUS = Modes({"nostatus": None})


def deliver(accepted: Accepted, settings: Settings, reply: Reply) -> None:
    """Have the answer wait for an accepted task."""
    purchase, wanted = accepted.purchase, accepted.purchase.request.directives
    acknowledge.disturb(wanted.ack, reply)
    limit = settings.sync_limit if wanted.sync_limit is None else wanted.sync_limit
    status = settings.sync_status if wanted.sync_status is None else wanted.sync_status
    reply.held.append(
        Held(
            purchase,
            until=math.inf if limit is None else purchase.accepted_at + limit,
            timeout=wanted.sync_timeout or settings.sync_timeout,
            modes=NO_MODES if status else _NO_STATUS,
        )
    )


def wait(reply: Reply) -> str | None:
    """Wait for the tasks that an answer holds, and add their results to it.

    The thread waits; a client that leaves meanwhile changes nothing for the task, as with the
    real service.

    Returns:
        None, or how the answer times out: `html`, `error` or `close`. The tasks go on.
    """
    ends = max((held.purchase.finish_at for held in reply.held), default=0.0)
    first = min(reply.held, key=lambda held: held.until, default=None)
    if first is not None and first.until < ends:
        sleep_until(first.until)
        return first.timeout
    sleep_until(ends)
    for held in reply.held:
        data, errors = items.polled(held.purchase.request, held.purchase.results, held.modes)
        reply.data += data
        reply.errors += errors
        if errors:
            reply.status = held.purchase.request.directives.status or reply.status
        reply.answered += held.purchase.results
    return None
