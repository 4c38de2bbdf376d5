"""The Flask application: routes and nothing else."""

from collections.abc import Callable

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from tasks.errors import StoreAway
from webhooks import health, runware
from webhooks.bare import Bare
from webhooks.build import Desk, Door

SERVER_ERROR = 500


def create_app(desk: Door) -> Flask:
    """Return the application; every error is a bare status, none redirects (a failed delivery)."""
    app = Flask("webhooks", static_folder=None)
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    app.url_map.redirect_defaults = False
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    # What escapes the handlers below is answered by gunicorn_worker.py; Flask would log the path.
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.extensions["reelqueue"] = desk
    app.register_blueprint(runware.routes)
    app.register_blueprint(health.routes)
    app.register_error_handler(StoreAway, health.away)
    app.register_error_handler(HTTPException, _bare)
    app.register_error_handler(Exception, _unexpected(desk))
    app.after_request(_sealed)
    return app


def _bare(error: HTTPException) -> Response:
    code = error.code or SERVER_ERROR
    if code >= SERVER_ERROR:
        return _away()
    allowed = [value for name, value in error.get_headers() if name == "Allow"]
    return Bare(status=code, headers={"Allow": allowed[0]} if allowed else None)


def _unexpected(desk: Desk) -> Callable[[Exception], Response]:
    def handle(error: Exception) -> Response:
        # The traceback would quote the request; a retry of the sender may succeed.
        desk.log.error("unexpected", error=type(error).__name__)
        return _away()

    return handle


def _away() -> Response:
    return Bare(status=503, headers={"Retry-After": "1"})


def _sealed(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
