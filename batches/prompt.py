"""A prompt with slots: `{camera}` stands for the row's column `camera`.

Only `{name}` is a slot, where a column has that very name; all other braces are text, so a prompt
may show JSON. `{{name}}` writes `{name}` itself. What is filled in is not looked at again.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

_SLOT = re.compile(r"\{\{([^{}\n]+)\}\}|\{([^{}\n]+)\}")
_NAME = re.compile(r"[^\W\d][\w-]*")
"""What looks like the name of a column, so that braces around it are no accident."""


@dataclass(frozen=True)
class Prompt:
    """A text with slots."""

    text: str

    @cached_property
    def names(self) -> frozenset[str]:
        """What stands in the braces that may be slots."""
        return frozenset(match[2] for match in _SLOT.finditer(self.text) if match[2])

    @cached_property
    def plain(self) -> frozenset[str]:
        """Names that must be columns of each row."""
        return frozenset(name for name in self.names if _NAME.fullmatch(name))

    @property
    def odd(self) -> frozenset[str]:
        """Names such as `shot no.`: slots where the manifest has such a column, else text."""
        return self.names - self.plain

    def lacking(self, columns: Mapping[str, Any]) -> list[str]:
        """Return the names that must be columns, and have no value among these."""
        return sorted(name for name in self.plain if columns.get(name) is None)

    def filled(self, columns: Mapping[str, Any]) -> str:
        """Return the text with the values of these columns in its slots; others stay as they are.

        A value that is no text is written as JSON.
        """

        def value(match: re.Match[str]) -> str:
            name = match[2]
            if name is None:
                is_escaped = match[1] in columns or _NAME.fullmatch(match[1])
                return f"{{{match[1]}}}" if is_escaped else match[0]
            return match[0] if columns.get(name) is None else _text(columns[name])

        return _SLOT.sub(value, self.text) if "{" in self.text else self.text


def _text(value: object) -> str:
    if isinstance(value, str | Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=float)
