"""What the callback door is measured against: an endpoint of the same server that reads and parses.

`python -m benchmarks.endpoint PORT`: the same gunicorn, settings file and worker class, Flask, one
route that reads the body, parses it, and answers 204.
"""

import json
import sys

from flask import Flask, Response, request

from webhooks.gunicorn_app import Server


def create() -> Flask:
    """Return the application."""
    app = Flask(__name__)

    @app.post("/webhooks/runware")
    def take() -> Response:
        json.loads(request.get_data())
        return Response(status=204)

    return app


if __name__ == "__main__":
    Server(f"127.0.0.1:{sys.argv[1]}", "webhooks.gunicorn_worker.Worker", create).run()
