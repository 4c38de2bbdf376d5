"""Errors of the API as its clients read them: `{"error": {"type", "message", "errors"}}`."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from flask import Response

Detail = Mapping[str, object]
LATER = frozenset({HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE})
"""Statuses of what may succeed soon."""


class Refused(Exception):
    """A request that is not carried out.

    Attributes:
        status: Of the answer.
        kind: For programs; README.md lists them.
        message: For people.
        errors: What is wrong with a manifest, one entry per value.
    """

    def __init__(self, status: int, kind: str, message: str, errors: Sequence[Detail] = ()) -> None:
        super().__init__(status, kind, message, errors)
        self.status, self.kind, self.message, self.errors = status, kind, message, errors


def body_of(kind: str, message: str, errors: Sequence[Detail] = ()) -> bytes:
    """Return an error as JSON."""
    error = {"type": kind, "message": message} | ({"errors": list(errors)} if errors else {})
    return json.dumps({"error": error}).encode() + b"\n"


def answer(refused: Refused, headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer that says why; LATER says when to try again."""
    later = {"Retry-After": "1"} if refused.status in LATER else {}
    body = body_of(refused.kind, refused.message, refused.errors)
    return Response(body, refused.status, {**later, **(headers or {})}, "application/json")
