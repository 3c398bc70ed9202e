"""The real service for the session, Caddy and TorchServe, on free ports, with the archive that `make mar` built."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import fields

import pytest
import requests

from serving.addresses import Addresses
from serving.server import serving


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def free_addresses() -> Addresses:
    """Free ports for a service."""
    return Addresses(*free_ports(len(fields(Addresses))))


@pytest.fixture(scope="session")
def server() -> Iterator[Addresses]:
    addresses = free_addresses()
    with serving(addresses) as service:
        service.wait_until_ready()
        yield addresses


@pytest.fixture(scope="session")
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session
