"""Is this process alive, and can the store be written?"""

from flask import Blueprint, Response, current_app

from tasks.errors import StoreAway

routes = Blueprint("health", __name__)


@routes.get("/healthz")
def healthz() -> Response:
    """Answer 200 while this process serves; asks nobody else."""
    return Response("ok\n", mimetype="text/plain")


@routes.get("/readyz")
def readyz() -> Response:
    """Answer 200 while a callback could be stored, 503 while it could not."""
    try:
        current_app.extensions["reelqueue"].store.probe()
    except StoreAway as exc:
        return Response(f"{exc}\n", status=503, mimetype="text/plain", headers={"Retry-After": "1"})
    return Response("ready\n", mimetype="text/plain")
