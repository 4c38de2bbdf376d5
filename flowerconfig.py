"""Flower's options, from the same settings as everything else.

Works with `python -m worker.flower` and with `celery -A worker.app flower --conf=flowerconfig.py`.
"""

from tasks.settings import load
from worker import columns, memory

_settings = load()

address = _settings.host
port = _settings.flower_port
if _settings.flower_auth is not None:
    basic_auth = [_settings.flower_auth.get_secret_value()]
max_tasks = memory.MOST_ROWS
tasks_columns = columns.add_columns()
format_task = columns.format_task
read_only = True  # its own revoke cannot reach a task at the provider

# /metrics asks for no password: names of workers and tasks, counts and times, nothing of a job.
# Jobs take minutes, and Flower's own buckets end at ten seconds.
task_runtime_metric_buckets = [1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 7200.0]
purge_offline_workers = 3600  # a worker's name holds its process id: each start is a new one

db = str(memory.path(_settings.data_dir))
persistent = memory.is_usable(db)
state_save_interval = memory.SAVE_EVERY_MS
