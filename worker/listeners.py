"""Whether somebody listens for our events: Flower, or another program that shows them."""

from tasks.connection import store_errors
from tasks.store import Store
from worker.config import events


def is_heard(store: Store) -> bool:
    """Publish nothing where events of jobs go, and see whether that reaches anyone.

    kombu passes over an empty message. The store counts those who listen there: not what workers
    of any program tell each other, which goes to another exchange or by another routing key.
    """
    db = store.client.connection_pool.connection_kwargs.get("db", 0)
    topic = f"/{db}.{events(store.keys.namespace)}/task.multi"
    with store_errors():
        return int(store.client.publish(topic, "")) > 0
