"""The Celery application. Importing it reads nothing; the first use reads the settings."""

from celery import Celery

from tasks.settings import load
from worker.config import celery_config

app = Celery(
    "reelqueue",
    include=["worker.doors", "worker.face", "worker.control", "worker.messages"],
    set_as_current=True,
)
app.steps["consumer"].add("worker.ticks:TickStep")
app.add_defaults(lambda: celery_config(load()))
