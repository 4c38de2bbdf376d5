"""The README's table of settings is complete, and its defaults true."""

import re
from pathlib import Path

from tasks.environment import DEFAULT_DATA_DIR
from tasks.settings import Settings

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
TABLE = README.partition("\n## Settings\n")[2].partition("\n## ")[0]
CELLS = dict(re.findall(r"^\| `(\w+)` \| (.*?) ?\|", TABLE, re.MULTILINE))
DEFAULTS = {str(field.alias): field.default for field in Settings.model_fields.values()}

IN_WORDS = {
    "REELQUEUE_DATA_DIR": f"`{DEFAULT_DATA_DIR.name}` in the checkout",
    "REELQUEUE_POLL_FIRST": "`1`; `20` with callbacks",
    "REELQUEUE_SECRETS": "generated",
    "REELQUEUE_INSTALLATION_SECRET": "generated",
}
NOT_A_FIELD = {"REELQUEUE_ENV_FILE": "`.env` in the checkout"}


def written(value: object) -> str:
    if value in (None, ""):
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text.removesuffix('.0')}`"


def test_every_setting_stands_in_the_readme_with_its_default_and_no_other_does() -> None:
    expected = {name: written(default) for name, default in DEFAULTS.items()}
    assert expected | IN_WORDS | NOT_A_FIELD == CELLS
