"""The Celery application. Importing it reads nothing; the first use reads the settings."""

from celery import Celery, signals

from tasks.settings import load
from worker.config import celery_config
from worker.logs import configured

app = Celery(
    "reelqueue",
    include=["worker.doors", "worker.face", "worker.control", "worker.messages"],
    set_as_current=True,
)
app.steps["consumer"].add("worker.ticks:TickStep")
signals.setup_logging.connect(configured)
app.add_defaults(lambda: celery_config(load()))
