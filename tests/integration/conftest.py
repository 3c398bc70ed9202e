"""The real service for the session, Caddy and TorchServe, on free ports, with the archive that `make mar` built."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import fields

import pytest
import requests

from serving.addresses import Addresses
from serving.server import serving

_given: set[int] = set()
"""Ports that were given before: whoever got one may not listen yet."""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    ports: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(ports) < count:
            each = stack.enter_context(socket.socket())
            each.bind(("127.0.0.1", 0))
            port = each.getsockname()[1]
            if port not in _given:
                _given.add(port)
                ports.append(port)
    return ports


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
