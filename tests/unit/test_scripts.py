"""What no script may do to the store."""

import re
from importlib import resources

SCRIPTS = [one for one in resources.files("tasks.scripts").iterdir() if one.name.endswith(".lua")]
WALKS = {"KEYS", "SCAN", "HSCAN", "SSCAN", "ZSCAN"}
"""Commands that take the longer the more a store holds, and stop everybody meanwhile."""


def test_no_script_walks_over_all_that_a_store_holds() -> None:
    texts = [one.read_text(encoding="utf-8") for one in SCRIPTS]
    called = {word for text in texts for word in re.findall(r"call\(\s*'(\w+)'", text)}
    assert {"HGETALL", "TIME", "UNLINK"} <= called
    assert not {word.upper() for word in called} & WALKS
