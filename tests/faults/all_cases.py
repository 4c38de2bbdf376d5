"""Every case, by importing the files that name them."""

import cases_bounds  # noqa: F401
import cases_celery  # noqa: F401
import cases_delivery  # noqa: F401
import cases_losses  # noqa: F401
import cases_provider  # noqa: F401
import cases_store  # noqa: F401
import cases_worker  # noqa: F401
from registry import CASES

__all__ = ["CASES"]
