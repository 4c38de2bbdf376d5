"""The API's Flask application: who may, what is logged, and how errors are told."""

import hmac
from collections.abc import Callable
from http import HTTPStatus

from flask import Flask, Response, g, request

from tasks.errors import StoreAway
from tasks.reading import Pruned
from webhooks import api_routes, health, metrics
from webhooks.api_errors import Refused, answer
from webhooks.api_worker import admitted
from webhooks.build import Api
from webhooks.flask_app import Allowed, new_app

KINDS = {404: "not_found", 405: "method_not_allowed"}
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="reelqueue"'}
GUARDED = (api_routes.routes.name, metrics.routes.name)
"""Blueprints whose every request bears the token."""


def create_api(desk: Api) -> Flask:
    """Return the application; every error is JSON, none redirects."""
    app = new_app("webhooks.api", desk, _told, _unexpected)
    app.register_blueprint(api_routes.routes)
    app.register_blueprint(metrics.routes)
    app.register_blueprint(health.routes)
    app.before_request(_admitted(desk))
    app.register_error_handler(Refused, answer)
    app.register_error_handler(StoreAway, _away)
    app.register_error_handler(Pruned, _pruned)
    app.after_request(_logged(desk))
    return app


def _admitted(desk: Api) -> Callable[[], Response | None]:
    """Ask for the token before anything else; only the probes, and unknown paths, need none."""

    def check() -> Response | None:
        if request.blueprint not in GUARDED and not request.path.startswith("/v1/"):
            return None
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        told = given.strip().encode()
        if scheme.lower() == "bearer" and hmac.compare_digest(told, desk.token):
            admitted()
            return None
        message = "send the header Authorization: Bearer, with the value of REELQUEUE_API_TOKEN"
        return answer(Refused(401, "unauthorized", message), CHALLENGE)

    return check


def _away(error: StoreAway) -> Response:
    return answer(Refused(503, "store_away", f"{error}; the same request may be sent again"))


def _pruned(error: Pruned) -> Response:
    return answer(Refused(409, "conflict", str(error)))


def _told(status: int, name: str, allowed: Allowed) -> Response:
    return answer(Refused(status, KINDS.get(status, "invalid_request"), name), allowed)


def _unexpected() -> Response:
    return answer(Refused(503, "unavailable", "something unexpected happened"))


def _logged(desk: Api) -> Callable[[Response], Response]:
    def after(response: Response) -> Response:
        if request.blueprint != health.routes.name:
            # The rule, not the URL: what somebody writes into one is no matter for a log.
            rule = str(request.url_rule or "none")
            told = {"method": request.method, "route": rule, "status": response.status_code}
            is_well = response.status_code < HTTPStatus.BAD_REQUEST
            level = "info" if is_well else "warning"
            getattr(desk.log, level)("api", **told, **g.get("told", {}))
        return response

    return after
