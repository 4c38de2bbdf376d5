"""The names a row's columns may have, and what a name was probably meant to be."""

import re
from functools import lru_cache

MEDIA = {"video": "videos", "image": "images", "audio": "audios", "document": "documents"}
SETTINGS = (
    "systemPrompt",
    "temperature",
    "topP",
    "maxTokens",
    "stopSequences",
    "thinkingLevel",
)
OURS = {
    "taskType": "it is always textInference",
    "taskUUID": "it is derived from the batch and custom_id, so that nothing is bought twice",
    "deliveryMethod": "jobs are always submitted async",
    "webhookURL": "callbacks go to PUBLIC_URL; set it in the environment",
    "includeCost": "cost is always asked for",
    "includeUsage": "usage is always asked for",
}
OUTPUT = (
    "custom_id",
    "job_id",
    "task_uuid",
    "state",
    "result_index",
    "text",
    "finish_reason",
    "reasoning",
    "seed",
    "cost",
    "prompt_tokens",
    "completion_tokens",
    "thinking_tokens",
    "attempts",
    "error_code",
    "error_message",
    "queued_at",
    "submitted_at",
    "completed_at",
    "simulated",
)
"""Columns of the results; a column of the user's with such a name would be overwritten."""

REQUEST = frozenset(
    {
        *("custom_id", "prompt", "messages", "model", "numberResults", "seed"),
        *("inputs", "settings", *MEDIA, *MEDIA.values(), *SETTINGS),
    }
)
IGNORED = frozenset({"_error"})  # written by `results --failed`
ALIASES = frozenset({"url", "uri", "link", "file", "filename", "filepath", "path", "src", "media"})
"""What people call the column of the medium; with a kind before it too: `video_url`."""

_PLAIN = {name.lower().replace("_", ""): name for name in sorted(REQUEST)}
_NO_TYPO = 3
"""Names up to this length resemble too many others."""
_LONG = 6
"""Letters from which two may differ: `stage` is no misspelt `image`, `tempurature` is one."""
_MOST_WRONG = 2
_LONGEST = 2 * max(map(len, _PLAIN))
"""Characters of a name that may be a field's."""
_REMEMBERED = 65_536
"""Names of which is remembered what they are like; a hostile file may have others in each row."""


def meant(name: str) -> str:
    """Return the request field that a name is written like; empty where there is none.

    That is another spelling (`max_tokens`), or up to two wrong letters (`vidoe`; one in short
    names). A field's name with a word beside it (`video_id`) is no misspelling.
    """
    known = name in REQUEST or name in OUTPUT or name in IGNORED
    return "" if known or len(name) > _LONGEST else _written_like(name)


@lru_cache(_REMEMBERED)
def _written_like(name: str) -> str:
    plain = _plain(name)
    if plain in _PLAIN:
        return _PLAIN[plain]
    words = _words(name)
    beside = {word.rstrip("s") for word in words if len(words) > 1}
    near = [
        (_distance(plain, field), field)
        for field in _PLAIN
        if abs(len(plain) - len(field)) <= _MOST_WRONG and field.rstrip("s") not in beside
    ]
    if len(plain) <= _NO_TYPO or not near:
        return ""
    distance, field = min(near)
    allowed = _MOST_WRONG if min(len(plain), len(field)) >= _LONG else 1
    return _PLAIN[field] if distance <= allowed else ""


def is_alias(name: str) -> bool:
    """Whether a column is called as people call the one with the medium."""
    return len(name) <= _LONGEST and _is_alias(name)


@lru_cache(_REMEMBERED)
def _is_alias(name: str) -> bool:
    words = [word for word in _words(name) if word not in MEDIA and word not in MEDIA.values()]
    return "".join(words) in ALIASES or (bool(words) and ALIASES.issuperset(words))


def _plain(name: str) -> str:
    return re.sub(r"[ _-]", "", name).lower()


def _words(name: str) -> list[str]:
    """Split `video_id`, `video id` and `videoId` alike."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", name)]


def _distance(one: str, two: str) -> int:
    """Return how many letters are missing, too many, wrong, or swapped with their neighbour."""
    before: list[int] = []
    row = list(range(len(two) + 1))
    for i, a in enumerate(one, start=1):
        before, last, row = row, before, [i]
        for j, b in enumerate(two, start=1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b)))
            if i > 1 and j > 1 and a == two[j - 2] and one[i - 2] == b:
                row[j] = min(row[j], last[j - 2] + 1)
    return row[-1]
