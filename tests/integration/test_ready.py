"""Questions to processes of ours, where somebody else answers."""

import socket
import threading
from collections.abc import Iterator

import pytest

from console.ready import answers


@pytest.fixture
def stranger() -> Iterator[str]:
    """Give the URL of one that speaks no HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            client, _ = listening.accept()
            with client:
                client.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                client.recv(65_536)

        greeting = threading.Thread(target=greet)
        greeting.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/healthz"
        greeting.join()


def test_a_stranger_that_speaks_no_http_is_no_process_of_ours(stranger: str) -> None:
    assert answers(stranger) is False
