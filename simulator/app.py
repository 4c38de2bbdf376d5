"""The Flask routes: /v1, the truth table beside it, and the health check."""

import json
import time

from flask import Flask, Response, request

from simulator import body, faults, truth
from simulator.envelope import Envelope, Handler, Reply
from simulator.errors import RefusedError
from simulator.faults import Outage
from simulator.get_response import GetResponse
from simulator.ledger import Ledger
from simulator.settings import Settings, Switchboard
from simulator.text_inference import TextInference
from simulator.webhooks import Webhooks


def create(settings: Settings, threads: int) -> Flask:
    """Build a simulator with its own empty memory and start its webhook threads.

    Args:
        settings: The switches at the start.
        threads: How many threads serve requests.
    """
    board = Switchboard(settings)
    ledger = Ledger(board)
    webhooks = Webhooks(board, ledger)
    handlers: dict[str, Handler] = {
        "textInference": TextInference(board, ledger, webhooks),
        "getResponse": GetResponse(board, ledger),
    }
    app = Flask(__name__)
    _serve_api(app, board, ledger, Envelope(board, ledger, handlers), Outage(board, threads // 2))
    _serve_truth(app, board, ledger)
    app.add_url_rule("/healthz", "healthz", lambda: _json({"status": "ok"}))
    webhooks.start()
    return app


def _json(value: object, status: int = 200) -> Response:
    return Response(json.dumps(value), status, content_type="application/json")


def _serve_api(
    app: Flask, board: Switchboard, ledger: Ledger, envelope: Envelope, outage: Outage
) -> None:
    @app.post("/v1")
    def v1() -> Response:
        received = body.read(request.stream, board.current.max_body)
        ledger.count_post()
        if failure := outage.answer(request):
            return failure
        return _send(envelope.answer(request.headers.get("Authorization"), received))

    @app.errorhandler(RefusedError)
    def refused(refusal: RefusedError) -> Response:
        return _json({"errors": [refusal.error]}, refusal.status)

    def _send(reply: Reply) -> Response:
        time.sleep(reply.hold)
        if reply.lost:
            return faults.close_connection(request)
        if reply.html:
            return faults.html(500)
        return _json(reply.json(), reply.http_status(board.current.error_status))


def _serve_truth(app: Flask, board: Switchboard, ledger: Ledger) -> None:
    @app.get("/truth")
    def all_truth() -> Response:
        return _json(truth.table(ledger, with_tasks=request.args.get("tasks") == "1"))

    @app.get("/truth/<task_uuid>")
    def task_truth(task_uuid: str) -> Response:
        found = truth.one(ledger, task_uuid)
        return _json(found or {"error": "this taskUUID never came"}, 200 if found else 404)

    @app.post("/truth/reset")
    def reset() -> Response:
        ledger.reset()
        return _json({"status": "ok"})

    @app.get("/truth/settings")
    def settings() -> Response:
        return _json(board.current.public())

    @app.post("/truth/settings")
    def change_settings() -> Response:
        values = request.get_json(force=True, silent=True)
        if not isinstance(values, dict):
            return _json({"error": "expected a JSON object of settings"}, 400)
        try:
            board.change(values)
        except ValueError as exc:
            return _json({"error": str(exc)}, 400)
        return _json(board.current.public())
