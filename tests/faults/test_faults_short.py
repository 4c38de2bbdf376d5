"""The sharpest of the faults; `make faults` runs them all."""

from pathlib import Path

import pytest
from all_cases import CASES
from run_faults import lacks

SHORT = (
    "results_come_twelve_times_in_any_order",
    "a_door_dies_between_the_steps_of_a_callback",
    "workers_are_killed_again_and_again",
    "acknowledgments_are_lost",
    "somebody_empties_the_store_of_living_workers",
)


@pytest.mark.parametrize("name", SHORT)
def test_nothing_is_lost_doubled_or_bought_twice_although(name: str, tmp_path: Path) -> None:
    (harshest,) = [one for one in CASES if one.name == name and one.memory == "never"]
    assert not lacks(harshest)
    told = harshest.run(tmp_path / "yard")
    assert told.events > 0
    assert told.score.is_clean
