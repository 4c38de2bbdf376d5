"""The Celery application. Importing it reads nothing; the first use reads the settings."""

from typing import Any

from celery import Celery, signals
from kombu.transport import TRANSPORT_ALIASES

from tasks.environment import of_celery
from tasks.errors import ConfigurationError
from tasks.settings import load
from worker.config import celery_config
from worker.logs import configured

# By name, so that nothing is loaded yet, and whoever connects has them: worker, ticker, Flower.
_SCHEMES = ("redis", "rediss")
TRANSPORT_ALIASES.update(dict.fromkeys(_SCHEMES, "worker.consuming:PatientTransport"))

app = Celery(
    "reelqueue",
    include=["worker.doors", "worker.face", "worker.control", "worker.messages"],
    set_as_current=True,
    loader="celery.loaders.app:AppLoader",  # not that of the environment
)
app.loader.override_backends = dict.fromkeys(_SCHEMES, "worker.consuming:Results")
app.steps["consumer"].add("worker.ticks:TickStep")
signals.setup_logging.connect(configured)


def _configuration() -> dict[str, Any]:
    """Return Celery's configuration.

    Raises:
        ConfigurationError: a setting is wrong, or Celery would use another store than ours.
    """
    if name := of_celery():
        raise ConfigurationError(
            f"{name} is set: Celery would use that store in place of REDIS_URL, unchecked. Unset it"
        )
    return celery_config(load())


app.add_defaults(_configuration)
