"""The Flask application: routes and nothing else."""

from collections.abc import Callable

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from webhooks import health, runware
from webhooks.build import Desk


def create_app(desk: Desk) -> Flask:
    """Return the application; every error is a bare status, none redirects (a failed delivery)."""
    app = Flask("webhooks", static_folder=None)
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    app.url_map.redirect_defaults = False
    app.extensions["reelqueue"] = desk
    app.register_blueprint(runware.routes)
    app.register_blueprint(health.routes)
    app.register_error_handler(HTTPException, _bare)
    app.register_error_handler(Exception, _unexpected(desk))
    app.after_request(_sealed)
    return app


def _bare(error: HTTPException) -> Response:
    response = Response(status=error.code or 503)
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _unexpected(desk: Desk) -> Callable[[Exception], Response]:
    def handle(error: Exception) -> Response:
        # The traceback would quote the request; a retry of the sender may succeed.
        desk.log.error("unexpected", error=type(error).__name__)
        return Response(status=503, headers={"Retry-After": "1"})

    return handle


def _sealed(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
