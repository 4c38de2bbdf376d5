"""Manifests to measure with: rows as a user has them, about 230 bytes each."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROMPT = "What happens in this clip? Name people, objects and anything unusual, in order."
CAMERAS = ("north", "south", "dock", "gate")


def rows(count: int) -> Iterator[dict[str, Any]]:
    """Yield requests: a medium of their own, a prompt they share, a column of the user's."""
    for number in range(count):
        yield {
            "custom_id": f"clip-{number:07}",
            "video": f"https://media.example/2026/11/{number:07}.mp4",
            "prompt": PROMPT,
            "maxTokens": 2000,
            "camera": CAMERAS[number % len(CAMERAS)],
        }


def write(path: Path, count: int) -> Path:
    """Write `count` rows as JSON Lines."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows(count))
    return path
