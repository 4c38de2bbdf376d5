"""Flower's options, from the same settings as everything else.

Works with `python -m worker.flower` and with `celery -A worker.app flower --conf=flowerconfig.py`.
"""

from tasks.settings import load

_settings = load()

address = _settings.host
port = _settings.flower_port
if _settings.flower_auth is not None:
    basic_auth = [_settings.flower_auth.get_secret_value()]
max_tasks = 20_000  # about 170 MB; Flower is a window, the store is the record
tasks_columns = "args,kwargs,state,result,runtime,received,started,worker,uuid,name"
read_only = True  # its own revoke cannot reach a task at the provider
