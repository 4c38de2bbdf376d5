"""gunicorn's settings for the webhooks process: `gunicorn -c webhooks/gunicorn_config.py`."""

worker_class = "gthread"
workers = 2
threads = 8
keepalive = 30
timeout = 30
graceful_timeout = 5
accesslog = None  # its default format writes the URL, and the URL holds the token
loglevel = "warning"
limit_request_line = 2048
limit_request_fields = 50
