"""The socket that the door listens on, and how it stops listening without losing anyone who has just connected.

A listening socket that closes cuts off whoever the kernel has connected and the server has not accepted yet: under
clients that never stop, one request in some thousand stops. So, a moment before the door closes it, the kernel is
told to take no new connection, while the door goes on accepting those that are there. Not everywhere may a process
tell the kernel so; where it may not, the door has a socket of its own, and closes it at once.
"""

import ctypes
import socket
import struct
import sys

SETTLING = 0.3
"""Seconds for what has connected to be accepted. A client that comes in this time hears, when it tries again after a
second, that nobody listens."""

_SO_ATTACH_FILTER = 26
"""From asm-generic/socket.h; Python's `socket` does not name it."""

# Classic BPF, one (code, jump if true, jump if false, operand) each, from linux/filter.h. A filter at a TCP socket sees
# a segment from its TCP header on; byte 13 has the flags.
_NO_SYN = (
    (0x30, 0, 0, 13),  # load the flags
    (0x54, 0, 0, 0x12),  # of them SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone, the first segment of a connection?
    (0x06, 0, 0, 0),  # drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # let everything else through
)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. "0.0.0.0" means every address, of IPv6 too. Raises `OSError`."""
    if host == "0.0.0.0" and socket.has_dualstack_ipv6():  # noqa: S104, the container's door
        return socket.create_server(("", port), family=socket.AF_INET6, backlog=socket.SOMAXCONN, dualstack_ipv6=True)
    return socket.create_server((host, port), backlog=socket.SOMAXCONN)


def can_take_no_more() -> bool:
    """Whether this process may tell the kernel: under Linux, with a right that containers without capabilities lack."""
    with socket.socket() as probe:
        try:
            take_no_more(probe)
        except OSError:
            return False
    return True


def take_no_more(listener: socket.socket) -> None:
    """No new connection reaches `listener` from here on, in whatever process it is; this process's copy is closed.

    Raises `OSError` where the kernel cannot be told.
    """
    if sys.platform != "linux":
        raise OSError("only Linux can drop single segments at a socket")
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in _NO_SYN))
    # struct sock_fprog: how many instructions, and where.
    pointer = struct.pack("@HP", len(_NO_SYN), ctypes.addressof(program))
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, pointer)
    listener.close()
