"""The README's tables are complete, and their defaults true."""

import re

import pytest
from simulator_driver import ROOT, Simulator

from simulator.directives import PARSERS
from simulator.settings import Settings
from simulator.switches import SWITCHES
from simulator.words import MODES

FIXED = {"host", "port", "journal", "api_key"}
README = (ROOT / "simulator" / "README.md").read_text("utf-8")


def section(title: str) -> str:
    return README.partition(f"\n{title}\n")[2].partition("\n#")[0]


def written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value or "")


def test_every_switch_stands_in_the_readme_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ?(.*?) \|", section("## Switches"), re.MULTILINE))
    assert rows == {name: written(value) for name, value in Settings().public().items()}
    assert set(rows) == set(SWITCHES)


def test_every_directive_stands_in_the_readme() -> None:
    told = set(re.findall(r"`(\w+)[=`]", section("## Directives of a task")))
    assert set(PARSERS) <= told


@pytest.mark.parametrize("switch", MODES)
def test_every_mode_stands_in_the_readme(switch: str) -> None:
    told = re.findall(r"^\| `(\w+)(?::\w)?` \|", section(f"### `{switch}`"), re.MULTILINE)
    assert set(told) == MODES[switch][0] | MODES[switch][1]
    assert len(told) == len(set(told))


def test_every_switch_can_be_set_to_what_it_shows(simulator: Simulator) -> None:
    shown = simulator.truth("/settings")
    simulator.change(**{k: v for k, v in shown.items() if k not in FIXED})
    assert simulator.truth("/settings") == shown
