"""gunicorn's settings for both processes; gunicorn_app.py sets what differs."""

workers = 2
threads = 16
keepalive = 30
timeout = 30
graceful_timeout = 4  # a stop takes less than 5 s whatever clients do
accesslog = None  # its format writes the URL, and the URL holds the token
loglevel = "warning"
limit_request_line = 2048
limit_request_fields = 50
# Nobody's X-Forwarded-* is used. A trusted peer's SCRIPT_NAME header would answer 500.
forwarded_allow_ips = ""
# By default a socket in the home folder, one for all installations of a user.
control_socket_disable = True
