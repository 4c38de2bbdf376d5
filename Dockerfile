# One image for every process; docker-compose.yml names the commands.
FROM python:3.12.13-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

# The locked packages first: they change less often than the code. Of Arrow we use Parquet alone; what
# speaks to other services, and its tests, would be a quarter of all that is installed.
COPY requirements/run.lock requirements/run.lock
RUN python -m venv /venv && /venv/bin/pip install --require-hashes -r requirements/run.lock \
 && cd /venv/lib/python3*/site-packages/pyarrow && rm -r libarrow_flight.* libarrow_s3.* tests include
ENV PATH=/venv/bin:$PATH

COPY pyproject.toml README.md LICENSE flowerconfig.py ./
COPY examples examples
COPY tasks tasks
COPY batches batches
COPY worker worker
COPY webhooks webhooks
COPY console console
COPY simulator simulator
# Its user must be able to read it, whatever umask the checkout was made with.
RUN chmod -R a+rX . \
 && pip install --no-build-isolation --no-deps -e . \
 && useradd --uid 10001 --user-group --create-home reelqueue \
 && install -d -o reelqueue -g reelqueue -m 0700 /data

# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
# A manifest's rows wait there, too, until they are queued: /tmp is memory, with no room for a million.
ENV REELQUEUE_DATA_DIR=/data SQLITE_TMPDIR=/data
CMD ["reelqueue", "--help"]
