"""What both Flask applications are made of: nothing redirects, and no error quotes a request."""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from webhooks.build import Desk

Allowed = Mapping[str, str]
"""The header Allow, where a method is refused; else empty."""
Refusal = Callable[[int, str, Allowed], Response]
"""Answers a request that Flask does not take, from its status and what that is called."""


def new_app(name: str, desk: Desk, refused: Refusal, unexpected: Callable[[], Response]) -> Flask:
    """Return an application without routes, whose answers are kept by nobody.

    Args:
        name: Of the application.
        desk: What its routes work with.
        refused: Answers what Flask does not take.
        unexpected: Answers where something fails: with a 503, for the same request may succeed.
    """
    app = Flask(name, static_folder=None)
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    app.url_map.redirect_defaults = False
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    # What escapes the handlers is answered by gunicorn_worker.py; Flask would log the path.
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.extensions["reelqueue"] = desk
    app.register_error_handler(HTTPException, _told(refused, unexpected))
    app.register_error_handler(Exception, _failed(desk, unexpected))
    app.after_request(_sealed)
    return app


def _told(refused: Refusal, unexpected: Callable[[], Response]) -> Callable[..., Response]:
    def handle(error: HTTPException) -> Response:
        if error.code is None or error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return unexpected()
        allowed = {name: value for name, value in error.get_headers() if name == "Allow"}
        return refused(error.code, error.name, allowed)

    return handle


def _failed(desk: Desk, unexpected: Callable[[], Response]) -> Callable[..., Response]:
    def handle(error: Exception) -> Response:
        # The traceback would quote the request.
        desk.log.error("unexpected", error=type(error).__name__)
        return unexpected()

    return handle


def _sealed(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
