"""The callback door's Flask application: routes and nothing else."""

from flask import Flask, Response

from tasks.errors import StoreAway
from webhooks import health, runware
from webhooks.bare import Bare
from webhooks.build import Door
from webhooks.flask_app import Allowed, new_app


def create_app(desk: Door) -> Flask:
    """Return the application; every error is a bare status, none redirects (a failed delivery)."""
    app = new_app("webhooks", desk, _bare, _away)
    app.register_blueprint(runware.routes)
    app.register_blueprint(health.routes)
    app.register_error_handler(StoreAway, health.away)
    return app


def _bare(status: int, _name: str, allowed: Allowed) -> Response:
    return Bare(status=status, headers=allowed)


def _away() -> Response:
    return Bare(status=503, headers={"Retry-After": "1"})
