"""Calls that wait in the broker's queue while the store is full: none is taken and lost."""

from collections.abc import Iterator

import pytest
import redis
from kombu import Connection, Queue

from tasks.store import Store
from worker.consuming import PatientTransport


@pytest.fixture
def broker(store: Store) -> Iterator[Connection]:
    """Give a connection to the store as a worker has it."""
    at = store.client.connection_pool.connection_kwargs
    url = f"redis://{at['host']}:{at['port']}/{at['db']}"
    names = ("unacked_key", "unacked_index_key")
    options = {name: f"{store.keys.namespace}:{name}" for name in names}
    with Connection(url, transport=PatientTransport, transport_options=options) as connection:
        yield connection


@pytest.mark.parametrize("priority", [0, 6])
def test_a_message_that_cannot_be_noted_stays_first_in_its_queue(
    store: Store, broker: Connection, priority: int
) -> None:
    name, found = f"{store.keys.namespace}.calls", list[int]()
    queue = Queue(name, routing_key=name)

    def take(body: int, message: object) -> None:
        found.append(body)
        message.ack()  # type: ignore[attr-defined]

    with broker.clone() as taking, taking.Consumer(queue, callbacks=[take]):
        for n in range(3):
            broker.Producer().publish(n, routing_key=name, priority=priority)
        store.client.config_set("maxmemory", 1)
        try:
            with pytest.raises(redis.OutOfMemoryError):
                taking.drain_events(timeout=5)
        finally:
            store.client.config_set("maxmemory", 0)
    with broker.clone() as taking, taking.Consumer(queue, callbacks=[take]):
        while len(found) < 3:
            taking.drain_events(timeout=5)
    assert found == [0, 1, 2]


def test_a_connection_that_was_given_up_is_closed_though_messages_of_it_are_open(
    store: Store, broker: Connection
) -> None:
    name = f"{store.keys.namespace}.calls"
    broker.Producer().publish(1, routing_key=name, declare=[Queue(name, routing_key=name)])
    taking = broker.clone()
    channel = taking.default_channel
    assert channel.basic_get(name)
    taking.transport.client = None  # what kombu leaves of one that the store has ended
    channel.close()
    assert store.client.hlen(f"{store.keys.namespace}:unacked_key") == 1  # handed out again later
    taking.transport.client = taking
    taking.release()
