"""What the tests of the wire build their requests and answers from."""

import json
from typing import Any

from tasks.wire.answer import Item, items, parse

OURS = "378ac79a-0546-4a6f-a20e-761d22ecfbd2"
OTHER = "ead5ba1a-9a2d-46e3-8ee2-373fb66251f6"
THIRD = "9be73003-bbc8-4ca9-8d15-0cce6abb2bb2"


def request(**fields: object) -> dict[str, Any]:
    """Return the fields of the smallest valid request, and others."""
    least = {"taskUUID": OURS, "messages": [{"role": "user", "content": "What happens?"}]}
    return {**least, **fields}


def success(uuid: str = OURS, **fields: object) -> dict[str, Any]:
    return {
        "taskType": "textInference",
        "taskUUID": uuid,
        "status": "success",
        "text": "A boat leaves.",
        "finishReason": "stop",
        **fields,
    }


def running(uuid: str = OURS, **fields: object) -> dict[str, Any]:
    return {"taskType": "textInference", "taskUUID": uuid, "status": "processing", **fields}


def error(code: str, uuid: str | None = OURS, **fields: object) -> dict[str, Any]:
    named = {} if uuid is None else {"taskUUID": uuid}
    return {"code": code, "message": f"It is {code}.", "status": "error", **named, **fields}


def read(body: object) -> list[Item]:
    """Read a value as the answer that it would be on the wire."""
    return items(parse(json.dumps(body).encode()))


def answer(*data: object, errors: tuple[object, ...] = ()) -> list[Item]:
    """Read an envelope of these items."""
    return read({"data": list(data), "errors": list(errors)})
