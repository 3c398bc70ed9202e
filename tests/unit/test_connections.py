"""Who is still connected, by the kernel's own word, on real connections."""

import contextlib
import errno
import io
import socket
import struct
from collections.abc import Iterator

import pytest

from handler.connections import Connections
from tests.integration.watching import eventually

Pair = tuple[socket.socket, socket.socket]
"""A client's end and the server's."""


@contextlib.contextmanager
def connected(listen: str, connect: str) -> Iterator[Pair]:
    family = socket.AF_INET6 if ":" in listen else socket.AF_INET
    with contextlib.ExitStack() as open_:
        server = open_.enter_context(socket.create_server((listen, 0), family=family, dualstack_ipv6=listen == "::"))
        client = open_.enter_context(socket.create_connection((connect, server.getsockname()[1])))
        yield client, open_.enter_context(server.accept()[0])


def ends(pair: Pair) -> str:
    """As the door writes them: Go shows an IPv4 client of an IPv6 socket by its IPv4 address."""

    def end(name: tuple[str, int]) -> str:
        host = name[0].removeprefix("::ffff:")
        return f"[{host}]:{name[1]}" if ":" in host else f"{host}:{name[1]}"

    return f"{end(pair[1].getsockname())} {end(pair[1].getpeername())}"


def soon_gone(connections: Connections, at: str) -> None:
    """The kernel takes a moment to tell the other end."""
    eventually(lambda: connections.gone(at), 5, every=0.01)


@pytest.mark.parametrize(
    ("listen", "connect"),
    [("127.0.0.1", "127.0.0.1"), ("::", "127.0.0.1"), ("::1", "::1")],
    ids=["IPv4", "IPv4 at an IPv6 socket", "IPv6"],
)
def test_who_hangs_up_is_gone_and_who_waits_is_not(listen: str, connect: str) -> None:
    connections = Connections()
    with connected(listen, connect) as waiting, connected(listen, connect) as leaving:
        assert [connections.gone(ends(pair)) for pair in (waiting, leaving)] == [False, False]
        at = ends(leaving)
        for end in leaving:
            end.close()
            soon_gone(connections, at)
            assert [connections.gone(ends(waiting)), connections.gone(at)] == [False, True]


def test_who_closes_the_sending_half_counts_as_gone() -> None:
    """As at the door, whose HTTP server ends the request."""
    connections = Connections()
    with connected("127.0.0.1", "127.0.0.1") as pair:
        assert not connections.gone(ends(pair))
        pair[0].shutdown(socket.SHUT_WR)
        soon_gone(connections, ends(pair))


def test_where_no_connection_was_ever_found_nobody_is_gone() -> None:
    """The door may be in another network than the worker, where the kernel finds none of its connections."""
    connections = Connections()
    with connected("127.0.0.1", "127.0.0.1") as pair:
        at = ends(pair)
        pair[0].close()
        assert not connections.gone(at)
    with connected("127.0.0.1", "127.0.0.1") as pair:
        assert not connections.gone(ends(pair))
    soon_gone(connections, at)
    assert not connections.gone("192.0.2.1:80 192.0.2.2:5000"), "none was found at that address"


@pytest.mark.parametrize(
    "odd",
    [
        *("", " ", "127.0.0.1:80", "127.0.0.1:80 ", "127.0.0.1 127.0.0.1", "127.0.0.1:80 127.0.0.1:80 127.0.0.1:80"),
        *("127.0.0.1:80 127.0.0.1:99999", "127.0.0.1:80 [::1]:80", "127.0.0.1:80 999.0.0.1:80", "a:1 b:2"),
        *("[fe80::1%eth0]:80 [fe80::2%eth0]:80", "127.0.0.1:80\n 127.0.0.1:80", "::::1:80 ::::1:80"),
    ],
)
def test_what_names_no_connection_is_no_reason(odd: str) -> None:
    connections = Connections()
    with connected("127.0.0.1", "127.0.0.1") as pair:
        assert not connections.gone(ends(pair))
    assert not connections.gone(odd)


def test_a_kernel_that_may_not_be_asked_is_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    connections = Connections()
    with connected("127.0.0.1", "127.0.0.1") as pair:
        assert not connections.gone(ends(pair))
        at = ends(pair)
    soon_gone(connections, at)

    def refuse(*_: object) -> socket.socket:
        raise PermissionError

    monkeypatch.setattr("handler.connections.socket.socket", refuse)
    assert not connections.gone(at)


def test_a_kernel_that_cannot_look_is_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only that there is no such connection is one."""
    connections = Connections()
    with connected("127.0.0.1", "127.0.0.1") as pair:
        assert not connections.gone(ends(pair))
        at = ends(pair)
    for error, gone in ((errno.ENOMEM, False), (errno.ENOENT, True)):

        class Kernel(io.BytesIO):
            def setblocking(self, _: bool) -> None:
                """Nothing."""

            def send(self, _: bytes) -> None:
                """Nothing."""

            def recv(self, _: int, number: int = error) -> bytes:
                return struct.pack("=IHHIIi", 36, 2, 0, 0, 0, -number) + bytes(16)

        with monkeypatch.context() as patch:
            patch.setattr("handler.connections.socket.socket", lambda *_: Kernel())
            assert connections.gone(at) == gone
