"""Texts of others, made harmless for a terminal."""

import re

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_TURNS = "\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
"""What turns the direction of writing, or starts a line elsewhere."""
# C0 without tab, DEL, C1.
_CONTROLS = re.compile(f"[\x00-\x08\x0a-\x1f\x7f-\x9f{_TURNS}]")
_CONTROLS_IN_LINES = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_TURNS}]")


def clean(raw: bytes) -> str:
    """Return a line as text that can neither move the cursor nor look like two lines."""
    text = raw.decode("utf-8", "replace")
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def plain(text: str) -> str:
    """Return text without what moves the cursor, turns the writing or breaks the line."""
    return clean(text.encode("utf-8", "replace"))


def plain_lines(text: str) -> str:
    """Return text that moves a terminal's cursor to the next line and nowhere else."""
    return "\n".join(map(plain, text.split("\n")))


def spelled(raw: bytes) -> bytes:
    """Return lines for a terminal: what could move its cursor is spelled as JSON spells it.

    JSON stays JSON, with the same values; a line end stays one.
    """
    text = raw.decode("utf-8", "replace").replace("\r\n", "\n")
    return _CONTROLS_IN_LINES.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()
