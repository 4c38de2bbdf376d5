"""Runs `python -m webhooks.api` on a free port, and talks to it as somebody outside."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import requests
from door_driver import Door

TOKEN = "a-token-of-thirty-two-characters-or-more"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
JSONL = {"Content-Type": "application/jsonl"}


class Api(Door):
    """The API as a process, over one store, with the token that opens it."""

    module = "webhooks.api"

    def __init__(
        self, store_url: str, folder: Path, *, env: Mapping[str, str] | None = None
    ) -> None:
        self.data = folder / "data"
        own = {"REELQUEUE_API_TOKEN": TOKEN, "REELQUEUE_INSTALLATION_SECRET": "i" * 64}
        super().__init__(store_url, folder, env=own | dict(env or {}))

    def ask(
        self,
        path: str,
        method: str = "GET",
        data: Any = None,  # noqa: ANN401 - whatever requests sends
        **headers: str | None,
    ) -> requests.Response:
        """Send a request with the token; headers with underscores, None for none."""
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.request(
            method,
            self.base + path,
            data=data,
            headers=BEARER | own,
            allow_redirects=False,
            timeout=30,
        )

    def streamed(self, path: str) -> requests.Response:
        """Begin to read an answer, to be used in `with`."""
        return requests.get(self.base + path, headers=BEARER, stream=True, timeout=30)

    def submit(self, name: str, data: Any, **headers: str | None) -> requests.Response:  # noqa: ANN401
        """Send a manifest."""
        given = {"Content_Type": "application/jsonl"} | headers
        return self.ask(f"/v1/batches?name={name}", "POST", data, **given)


def manifest(rows: Iterable[Mapping[str, object]]) -> bytes:
    """Return rows as JSON Lines."""
    return "".join(json.dumps(dict(row)) + "\n" for row in rows).encode()


def row(custom_id: str, **columns: object) -> dict[str, object]:
    """Return a row that can be queued."""
    own = {"custom_id": custom_id, "video": "https://x.test/a.mp4", "prompt": "What happens?"}
    return {**own, **columns}


def told(answer: requests.Response) -> tuple[int, str]:
    """Return status and type of an error, which must be JSON."""
    assert answer.headers["Content-Type"] == "application/json", answer.text
    error = answer.json()["error"]
    assert error["message"]
    return answer.status_code, error["type"]
