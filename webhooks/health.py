"""Is this process alive, and can the store be written?"""

from typing import TYPE_CHECKING, cast

from flask import Blueprint, Response, current_app

from tasks.errors import StoreAway

if TYPE_CHECKING:
    from webhooks.build import Desk

routes = Blueprint("health", __name__)


@routes.get("/healthz")
def healthz() -> Response:
    """Answer 200 while this process serves; asks nobody else."""
    return Response("ok\n", mimetype="text/plain")


@routes.get("/readyz")
def readyz() -> Response:
    """Answer 200 while a callback could be stored, 503 while it could not."""
    desk = cast("Desk", current_app.extensions["reelqueue"])
    try:
        desk.gate.run(desk.store.probe)
    except StoreAway as exc:
        return Response(f"{exc}\n", status=503, mimetype="text/plain", headers={"Retry-After": "1"})
    return Response("ready\n", mimetype="text/plain")
