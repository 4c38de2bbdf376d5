"""A lean stand-in for the provider: acknowledges, takes its time, answers polls, calls back.

The simulator shows every corner of the contract, and spends more CPU on a job than the product
does: on two cores it would be what is measured. This one process answers with the same shapes and
sizes, from one thread, and forgets nothing but texts, which it makes anew.
"""

import argparse
import asyncio
import json
import sys
from collections import Counter, deque
from typing import Any
from urllib.parse import urlsplit

CONNECTIONS = 32
"""Callbacks that are on their way at once."""
TRIES = 12
TEXT = "A steady wide shot opens on an empty room before anyone enters. " * 3
USAGE = {
    "promptTokens": 2527,
    "completionTokens": 1639,
    "totalTokens": 4166,
    "thinkingTokens": 1595,
}


def result(uuid: str) -> dict[str, Any]:
    """Return a finished task's item; the same each time, and no two tasks' texts alike."""
    return {
        "taskType": "textInference",
        "taskUUID": uuid,
        "status": "success",
        "text": f"{uuid}: {TEXT}",
        "cost": 0.024722,
        "finishReason": "stop",
        "thoughtSignature": f"c2ln{uuid}",
        "usage": USAGE,
    }


class Desk:
    """All tasks, and what was counted."""

    def __init__(self, latency: float, capacity: int | None) -> None:
        self.latency, self.capacity = latency, capacity
        self.totals: Counter[str] = Counter(posts=0, accepted=0, refused=0, running=0, polls=0)
        self._finish_at: dict[str, float] = {}
        self._calls: deque[tuple[str, str, int]] = deque()  # taskUUID, URL, tries so far
        self._called = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def answer(self, tasks: list[dict[str, Any]]) -> dict[str, Any]:
        """Take one request: submissions and polls."""
        self.totals["posts"] += 1
        self.totals["polls"] += tasks[0]["taskType"] == "getResponse"
        data, errors, fresh = [], [], []
        for task in tasks:
            uuid = task["taskUUID"]
            if task["taskType"] == "getResponse":
                data += self._state(uuid)
            elif code := self._refusal(uuid):
                error = {"code": code, "message": code, "taskType": "textInference"}
                errors.append({**error, "taskUUID": uuid})
            else:
                fresh.append((uuid, task.get("webhookURL", "")))
                data.append({"taskType": "textInference", "taskUUID": uuid})
        self._start(fresh)
        return {"data": data, "errors": errors} if errors else {"data": data}

    def _refusal(self, uuid: str) -> str:
        if uuid in self._finish_at:
            self.totals["conflicts"] += 1
            return "conflictTaskUUID"
        if self.capacity is not None and self.totals["running"] >= self.capacity:
            self.totals["refused"] += 1
            return "concurrentRequestLimitExceeded"
        self.totals["accepted"] += 1
        self.totals["running"] += 1
        self._finish_at[uuid] = self._loop.time() + self.latency
        return ""

    def _state(self, uuid: str) -> list[dict[str, Any]]:
        self.totals["polled_uuids"] += 1
        finish_at = self._finish_at.get(uuid)
        if finish_at is None:
            return []
        if finish_at <= self._loop.time():
            return [result(uuid)]
        return [{"taskType": "textInference", "taskUUID": uuid, "status": "processing"}]

    def _start(self, fresh: list[tuple[str, str]]) -> None:
        if fresh:
            self._loop.call_later(self.latency, self._finish, fresh)

    def _finish(self, tasks: list[tuple[str, str]]) -> None:
        self.totals["running"] -= len(tasks)
        self._calls.extend((uuid, url, 0) for uuid, url in tasks if url)
        self._called.set()

    async def call_back(self) -> None:
        """Deliver what is finished over one connection, for ever."""
        reader: asyncio.StreamReader | None = None
        while True:
            while not self._calls:
                self._called.clear()
                await self._called.wait()
            uuid, url, tries = self._calls.popleft()
            try:
                if reader is None:
                    parts = urlsplit(url)
                    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
                status = await _deliver(reader, writer, uuid, url)
                self.totals["webhooks_sent"] += 1
            except (OSError, asyncio.IncompleteReadError):
                reader, status = None, 0
            if status not in range(200, 300) and tries < TRIES:
                await asyncio.sleep(0.25)
                self._calls.append((uuid, url, tries + 1))
                self._called.set()


async def _deliver(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, uuid: str, url: str
) -> int:
    parts, body = urlsplit(url), json.dumps(result(uuid)).encode()
    head = (
        f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(_length(answer))
    return int(answer[9:12])


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0


class Door(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._got = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._got += data
        while (end := self._got.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._got[: end + 4])
            size = end + 4 + _length(head)
            if len(self._got) < size:
                return
            body = bytes(self._got[end + 4 : size])
            del self._got[:size]
            answer = json.dumps(self._answer(head, body)).encode()
            lines = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
            self._transport.write(f"{lines}{len(answer)}\r\n\r\n".encode() + answer)

    def _answer(self, head: bytes, body: bytes) -> dict[str, Any]:
        if head.startswith(b"POST /v1"):
            return self._desk.answer(json.loads(body))
        if head.startswith(b"POST /truth/settings"):
            self._desk.capacity = json.loads(body)["capacity"]
        return {"totals": dict(self._desk.totals)}


async def _serve(port: int, latency: float, capacity: int | None) -> None:
    desk = Desk(latency, capacity)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Door(desk), "127.0.0.1", port)
    senders = [asyncio.create_task(desk.call_back()) for _ in range(CONNECTIONS)]
    sys.stdout.write(f"provider ready on http://127.0.0.1:{port}/v1\n")
    sys.stdout.flush()
    async with server:
        await asyncio.gather(server.serve_forever(), *senders)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency", type=float, default=2.0)
    parser.add_argument("--capacity", type=int)
    given = parser.parse_args()
    asyncio.run(_serve(given.port, given.latency, given.capacity))


if __name__ == "__main__":
    main()
