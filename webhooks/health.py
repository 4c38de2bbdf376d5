"""Is this process alive, and can the store be written?"""

from functools import partial
from typing import TYPE_CHECKING, cast

from flask import Blueprint, Response, current_app

from tasks import guard
from tasks.errors import StoreAway, StoreRefused

if TYPE_CHECKING:
    from webhooks.build import Desk

routes = Blueprint("health", __name__)


@routes.get("/healthz")
def healthz() -> Response:
    """Answer 200 while this process serves; asks nobody else."""
    return Response("ok\n", mimetype="text/plain")


@routes.get("/readyz")
def readyz() -> Response:
    """Answer 200 while the store can be written, and may be.

    Raises:
        StoreAway: it cannot; each process says so as its clients expect it.
    """
    desk = cast("Desk", current_app.extensions["reelqueue"])
    try:
        desk.gate.run(partial(_look, desk))
    except StoreRefused as exc:
        return Response(f"{exc}\n", status=503, mimetype="text/plain")
    return Response("ready\n", mimetype="text/plain")


def _look(desk: "Desk") -> None:
    guard.store_or_refuse(desk.store, desk.settings)
    desk.store.probe()


def away(error: StoreAway) -> Response:
    """Answer 503 with the reason, in plain text."""
    return Response(f"{error}\n", status=503, mimetype="text/plain", headers={"Retry-After": "1"})
