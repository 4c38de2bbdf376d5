"""The Flask routes: /v1, the truth table beside it, and the health check."""

from collections.abc import Callable

from flask import Flask, Response, request

from simulator import body, transfer, truth
from simulator.account_management import AccountManagement
from simulator.authentication import Authentication
from simulator.envelope import Envelope
from simulator.errors import RefusedError
from simulator.faults import Outage
from simulator.get_response import GetResponse
from simulator.get_task_details import GetTaskDetails
from simulator.journal import Journal
from simulator.ledger import Ledger
from simulator.media import Media
from simulator.media_storage import MediaStorage
from simulator.ping import ping
from simulator.reply import Reply
from simulator.settings import Settings, Switchboard
from simulator.tasktype import Handler
from simulator.text_inference import TextInference
from simulator.transfer import as_json
from simulator.webhooks import Webhooks

# How many answers may hang at once in an outage.
_MOST_HANGING = 32


def create(settings: Settings) -> Flask:
    """Build a simulator with its own memory and start its webhook threads.

    Args:
        settings: The switches at the start.

    Raises:
        OSError: The journal cannot be read or written.
    """
    board = Switchboard(settings)
    ledger = Ledger(board)
    media = Media(board)
    journal = Journal(settings.journal)
    webhooks = Webhooks(board, ledger, journal)
    for accepted in journal.recall(ledger, settings):
        webhooks.expect(accepted)
    envelope = Envelope(board, ledger, _handlers(board, ledger, media))

    def answer(authorization: str | None, received: bytes, *, dry_run: bool) -> Reply:
        reply = envelope.answer(authorization, received, dry_run=dry_run)
        journal.keep(reply.bought)
        for accepted, _ in reply.bought:
            webhooks.expect(accepted)
        return reply

    app = Flask(__name__)
    _serve_api(app, board, ledger, answer, Outage(board, _MOST_HANGING))
    _serve_truth(app, ledger, media, journal)
    _serve_settings(app, board)
    app.add_url_rule("/healthz", "healthz", lambda: as_json({"status": "ok"}))
    webhooks.start()
    return app


def _handlers(board: Switchboard, ledger: Ledger, media: Media) -> dict[str, Handler]:
    storage = MediaStorage(media, ledger)
    return {
        "authentication": Authentication(board),
        "ping": ping,
        "textInference": TextInference(board, ledger, media),
        "getResponse": GetResponse(board, ledger, media),
        "getTaskDetails": GetTaskDetails(board, ledger),
        "mediaStorage": storage,
        "imageUpload": storage,
        "accountManagement": AccountManagement(board, ledger),
    }


def _serve_api(
    app: Flask, board: Switchboard, ledger: Ledger, answer: Callable[..., Reply], outage: Outage
) -> None:
    @app.post("/v1")
    def v1() -> Response:
        received = body.read(request.stream, board.current.max_body)
        ledger.count_post()
        if failure := outage.answer(request, received):
            return failure
        dry_run = request.headers.get("X-Runware-Dry-Run") == "1"
        authorization = request.headers.get("Authorization")
        reply = answer(authorization, received, dry_run=dry_run)
        return transfer.send(request, reply, board.current)

    @app.errorhandler(RefusedError)
    def refused(refusal: RefusedError) -> Response:
        return transfer.refuse(refusal, board.current)


def _serve_truth(app: Flask, ledger: Ledger, media: Media, journal: Journal) -> None:
    @app.get("/truth")
    def all_truth() -> Response:
        return as_json(truth.table(ledger, with_tasks=request.args.get("tasks") == "1"))

    @app.get("/truth/media")
    def media_truth() -> Response:
        return as_json({"media": [truth.medium(one) for one in media.all()]})

    @app.get("/truth/<task_uuid>")
    def task_truth(task_uuid: str) -> Response:
        found = truth.one(ledger, task_uuid)
        return as_json(found or {"error": "this taskUUID never came"}, 200 if found else 404)

    @app.post("/truth/reset")
    def reset() -> Response:
        ledger.reset()
        media.reset()
        journal.clear()
        return as_json({"status": "ok"})


def _serve_settings(app: Flask, board: Switchboard) -> None:
    @app.get("/truth/settings")
    def settings() -> Response:
        return as_json(board.current.public())

    @app.post("/truth/settings")
    def change_settings() -> Response:
        values = request.get_json(force=True, silent=True)
        if not isinstance(values, dict):
            return as_json({"error": "expected a JSON object of settings"}, 400)
        try:
            board.change(values)
        except ValueError as exc:
            return as_json({"error": str(exc)}, 400)
        return as_json(board.current.public())
