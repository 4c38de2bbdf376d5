"""What the callers of jobs by Celery see."""

import json
from typing import Any

import pytest
from stack_driver import Place

UNSAFE = "unsafe [[sim: fail=contentPolicyViolation]]"


def raised(result: Any) -> Exception:  # noqa: ANN401
    with pytest.raises(Exception) as caught:  # noqa: PT011  which one is what is asked
        result.get(timeout=30)
    found = caught.value
    assert isinstance(found, Exception)
    return found


def truth(running: Place, job: str) -> dict[str, Any]:
    shown = running.run("job", job, "--json")
    assert shown.returncode == 0, shown.stderr
    found: dict[str, Any] = json.loads(shown.stdout)
    return found
