"""The named cases: each is a function that opens a yard, does harm, and returns the verdict."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from yard import Told, Yard

MEMORIES = ("forever", "running", "never")
"""How long a provider may remember a used taskUUID."""
Open = Callable[..., Yard]
Body = Callable[[Open], Told]


@dataclass(frozen=True)
class Case:
    """One case under one memory of the provider."""

    name: str
    memory: str
    needs: str  # what the machine must have: root, compiler, nothing
    body: Body

    @property
    def title(self) -> str:
        return f"{self.name} [{self.memory}]"

    def run(self, folder: Path) -> Told:
        """Run it in a folder of its own."""
        return self.body(partial(Yard, folder, self.memory))


CASES: list[Case] = []


def case(*, memories: Sequence[str] = ("never",), needs: str = "") -> Callable[[Body], Body]:
    """Name a function as a case, once for each memory of the provider.

    The default forgets a taskUUID at once, and so sells again whatever it is asked for twice.
    """

    def named(body: Body) -> Body:
        name = getattr(body, "__name__", "")
        CASES.extend(Case(name, memory, needs, body) for memory in memories)
        return body

    return named


def found(name: str) -> list[Case]:
    """Return the cases of a name."""
    return [each for each in CASES if each.name == name]
