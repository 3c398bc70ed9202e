"""A real TorchServe for the session, on free ports, with the archive that `make mar` built."""

import contextlib
import socket
from collections.abc import Iterator

import pytest
import requests

from serving.server import Addresses, torchserve, wait_until_ready


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def free_addresses() -> Addresses:
    """Free ports for a TorchServe."""
    return Addresses(*free_ports(3))


@pytest.fixture(scope="session")
def server() -> Iterator[Addresses]:
    addresses = free_addresses()
    with torchserve(addresses) as process:
        wait_until_ready(process, addresses)
        yield addresses


@pytest.fixture(scope="session")
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session
