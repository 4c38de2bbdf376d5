"""How many tokens a request and a text plausibly are, and what they cost (contract §8)."""

import hashlib
import math
from dataclasses import dataclass

from simulator.request import Request

_CHARACTERS_PER_TOKEN = 4
_LONG_PROMPT = 200_000
# Nano-dollars per token, in and out: $2 and $12 per million, above 200k prompt tokens $4 and $18.
_PRICE = (2_000, 12_000)
_LONG_PROMPT_PRICE = (4_000, 18_000)

# Guesses: tokens per unit of a medium, and the most units a medium is taken to have.
_MEDIUM_TOKENS = {
    "videos": (70, 240),  # a frame per second
    "audios": (32, 240),  # a second
    "documents": (560, 12),  # a page
    "images": (1_120, 1),
}


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one result. `completion` contains `thinking`: both are billed as output."""

    prompt: int
    completion: int
    thinking: int

    @property
    def cost_nano(self) -> int:
        """What the result costs, in nano-dollars."""
        price = _LONG_PROMPT_PRICE if self.prompt > _LONG_PROMPT else _PRICE
        return self.prompt * price[0] + self.completion * price[1]


def of_text(text: str) -> int:
    """Estimate the tokens of a text."""
    return math.ceil(len(text) / _CHARACTERS_PER_TOKEN)


def cut(text: str, most: int) -> str:
    """Return the beginning of a text that has at most so many tokens."""
    return text[: most * _CHARACTERS_PER_TOKEN]


def of_prompt(request: Request) -> int:
    """Estimate the prompt tokens of a request; the same medium always counts the same."""
    texts = [request.system_prompt, *(str(m["content"]) for m in request.messages)]
    media = [(kind, name) for kind, names in request.inputs.items() for name in names]
    return sum(map(of_text, texts)) + sum(_of_medium(kind, name) for kind, name in media)


def _of_medium(kind: str, name: str) -> int:
    per_unit, most_units = _MEDIUM_TOKENS[kind]
    drawn = int.from_bytes(hashlib.sha256(name.encode(errors="replace")).digest()[:4])
    return per_unit * (1 + drawn % most_units)
