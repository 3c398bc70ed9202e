"""Whether the client of a photo is still connected.

TorchServe tells a worker nothing of connections. So the door writes both ends of the client's into a header, and the
kernel is asked for its state (sock_diag(7)): it looks up one connection, however many there are, where `/proc/net/tcp`
would list them all. The door shares the worker's network, since TorchServe listens on loopback behind it.
"""

import contextlib
import errno
import re
import socket
import struct

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST = 4, 20, 1
TCP_ESTABLISHED = 1

HEADER = struct.Struct("=IHHII")
"""`nlmsghdr`: length, type, flags, sequence number, port."""

ERROR = struct.Struct("=i")
"""`nlmsgerr` begins so: minus the number of an error."""

QUESTION = struct.Struct("=BBBBI")
"""`inet_diag_req_v2` before its `id`: family, protocol, extensions, padding, states (of all, for one connection)."""

ENDS = struct.Struct("!HH16s16s")
"""`inet_diag_sockid`, first part: the kernel's port and the peer's, then the addresses likewise."""

ANYWHERE = struct.pack("=I8s", 0, b"\xff" * 8)
"""Its second part: any interface, and no cookie of an earlier answer."""

END = re.compile(r"\[?([0-9a-fA-F:.]{2,45})\]?:([0-9]{1,5})")
"""Address and port, as Go writes them. One with a zone (`fe80::1%eth0`) is not looked up: it needs its interface."""


class Connections:
    """Asks the kernel, and believes that a connection is gone only where it has found others.

    A kernel that may not be asked, or that knows the connection under another network, finds none at all; then every
    client counts as connected.
    """

    def __init__(self) -> None:
        self._found_at: set[str] = set()

    def gone(self, ends: str) -> bool:
        """Whether the client has hung up. `ends`: the door's address and port, a space, and the client's."""
        local, _, remote = ends.partition(" ")
        here, there = END.fullmatch(local), END.fullmatch(remote)
        if here is None or there is None:
            return False
        with contextlib.suppress(OSError, struct.error):
            connected = _state(here, there) == TCP_ESTABLISHED
            if connected:
                self._found_at.add(here[1])
            return not connected and here[1] in self._found_at
        return False


def _state(here: re.Match[str], there: re.Match[str]) -> int | None:
    """State (`tcp_states.h`) of the connection between two ends, or of who listens here; None if there is neither.

    Raises `OSError` where the kernel does not say.
    """
    family = socket.AF_INET6 if ":" in here[1] else socket.AF_INET
    addresses = (socket.inet_pton(family, end[1]) for end in (here, there))
    question = QUESTION.pack(family, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF)
    question += ENDS.pack(int(here[2]), int(there[2]), *addresses) + ANYWHERE
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        # The kernel answers before `send` returns; what is not there then never comes.
        kernel.setblocking(False)
        kernel.send(HEADER.pack(HEADER.size + len(question), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0) + question)
        answer = kernel.recv(4096)
    if HEADER.unpack_from(answer)[1] == SOCK_DIAG_BY_FAMILY:
        return answer[HEADER.size + 1]  # of `inet_diag_msg`: family, state, …
    (error,) = ERROR.unpack_from(answer, HEADER.size)
    if error != -errno.ENOENT:
        raise OSError(-error, "the kernel did not look it up")
    return None
