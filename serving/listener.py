"""The socket that the door listens on, and how it stops listening without losing anyone who has just connected.

A listening socket that closes cuts off whoever the kernel has connected and the server has not accepted yet: under
clients that never stop sending, one stop in twenty lost a request. So, a moment before the door closes it, the kernel
is told to take no new connection, while the door goes on accepting those that are there. Only Linux can be told so,
from 5.7 on without any right; elsewhere the door has a socket of its own, and closes it at once.
"""

import socket
import sys

SETTLING = 0.3
"""Seconds for what has connected to be accepted. A client that comes in this time hears that nobody listens."""

_SO_BINDTOIFINDEX = 62
"""From asm-generic/socket.h; Python's `socket` does not name it."""

_NOWHERE = 2**31 - 1
"""The index of a network interface that no machine has: Linux counts them from 1."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. "0.0.0.0" means every address, of IPv6 too. Raises `OSError`."""
    if host == "0.0.0.0" and socket.has_dualstack_ipv6():  # noqa: S104, the container's door
        return socket.create_server(("", port), family=socket.AF_INET6, backlog=socket.SOMAXCONN, dualstack_ipv6=True)
    return socket.create_server((host, port), backlog=socket.SOMAXCONN)


def can_take_no_more() -> bool:
    """Whether this process may tell the kernel: see above."""
    with socket.socket() as probe:
        try:
            take_no_more(probe)
        except OSError:
            return False
    return True


def take_no_more(listener: socket.socket) -> None:
    """No new connection reaches `listener` from here on, in whatever process it is; this process's copy is closed.

    It then listens to a network interface that does not exist: who comes by another is refused at once. Connections
    that are there stay, also those whose handshake has only begun. Raises `OSError` where the kernel cannot be told.
    """
    if sys.platform != "linux":
        raise OSError("only Linux can bind a socket that listens already to a network interface")
    listener.setsockopt(socket.SOL_SOCKET, _SO_BINDTOIFINDEX, _NOWHERE)
    listener.close()
